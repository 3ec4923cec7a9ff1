"""A saved system: the same scores after loading, and a clear sentence for whatever does not fit."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys_lib.data import temporal_split
from recsys_lib.data.sceneworld import make_world
from recsys_lib.errors import BadData
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.transfer import asked

PEOPLE = np.arange(40)


@pytest.fixture(scope="module")
def split():
    return temporal_split(make_world("tiny").log)


@pytest.fixture(scope="module")
def vectors(split):
    return np.random.default_rng(0).standard_normal((split.log.n_items, 12)).astype(np.float32)


def fitted(split, vectors, gates="pair", **options):
    described = np.random.default_rng(1).standard_normal((split.log.n_scenes, 6)) if gates == "text" else None
    return SceneFusion(vectors, gates, described, cuts=6, epochs=1, negatives=40, windows=(7, 30), **options).fit(split.train, split.until)


@pytest.fixture
def saved(split, vectors, tmp_path):
    return fitted(split, vectors).save(tmp_path / "mine")


@pytest.mark.parametrize("gates", ["pair", "text", "mean"])
def test_a_loaded_system_scores_as_before(split, vectors, tmp_path, gates):
    model = fitted(split, vectors, gates, ids=True)
    loaded = SceneFusion.load(model.save(tmp_path), split.train)
    for scene in range(split.log.n_scenes):
        np.testing.assert_array_equal(model.score(PEOPLE, scene), loaded.score(PEOPLE, scene))
    assert loaded.windows == (7, 30) and loaded.kind == gates and loaded.log_ == model.log_
    loaded.save(tmp_path)  # what was loaded can be saved again


def test_later_events_of_the_log_do_not_enter_a_loaded_profile(split, vectors, saved):
    whole, known = (SceneFusion.load(saved, log) for log in (split.log.with_events(split.log.events), split.log.before(split.until)))
    np.testing.assert_array_equal(whole.score(PEOPLE, 0), known.score(PEOPLE, 0))


def test_saving_again_leaves_one_system_and_nothing_pickled(split, vectors, saved):
    old = {path.name for path in saved.iterdir()}
    fitted(split, vectors, seed=1).save(saved)
    names = {path.name for path in saved.iterdir()}
    assert len(names) == 2 and names != old and {name.rpartition(".")[2] for name in names} == {"json", "safetensors"}


def test_fit_passes_early_stopping_and_checkpoints_on(split, vectors, tmp_path):
    v = split.validation()
    options = dict(cuts=6, epochs=3, negatives=40)
    model = SceneFusion(vectors, **options).fit(v.train, v.until, validation=v, checkpoint=tmp_path, patience=1)
    again = SceneFusion(vectors, **options).fit(v.train, v.until, validation=v, checkpoint=tmp_path, patience=1)
    assert "value" in model.log_[0] and again.log_ == model.log_
    assert all(torch.equal(a, b) for a, b in zip(model.net.parameters(), again.net.parameters(), strict=True))
    with pytest.raises(BadData, match="made with validation="):
        SceneFusion(vectors, **options).fit(v.train, v.until, validation=asked(v, np.arange(len(v.pairs)) < 9), checkpoint=tmp_path, patience=1)


def rewrite(folder, **facts):
    path = folder / "system.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def weights(folder):
    return next(folder.glob("*.safetensors"))


DAMAGE = {
    "format 2": lambda f: rewrite(f, format=2),
    "saved EASE": lambda f: rewrite(f, system="EASE"),
    "system.json is damaged": lambda f: (f / "system.json").write_text('{"format": 1, '),
    "it lacks 'item table'": lambda f: (f / "system.json").write_text('{"format": 1, "system": "SceneFusion"}'),
    "no saved system": lambda f: (f / "system.json").unlink(),
    "missing or damaged": lambda f: weights(f).unlink(),
    "does not match system.json": lambda f: weights(f).write_bytes(weights(f).read_bytes()[:-8] + b"\0" * 8),
    "does not fit this library": lambda f: rewrite(f, options={"gates": "pair", "hidden": 3}),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_what_does_not_fit_is_refused_in_one_sentence(split, saved, words):
    DAMAGE[words](saved)
    with pytest.raises(BadData, match=words) as caught:
        SceneFusion.load(saved, split.train)
    assert "\n" not in str(caught.value)


def test_other_items_are_refused(split, saved):
    with pytest.raises(BadData, match="800 items of sceneworld tiny.*not the same"):
        SceneFusion.load(saved, make_world("tiny", items=90).log)
    turned = split.train.items.assign(item_id=split.train.items["item_id"].to_numpy()[::-1])
    with pytest.raises(BadData, match="not the same"):
        SceneFusion.load(saved, replace(split.train, items=turned))


def test_what_is_not_fitted_is_not_saved(vectors, tmp_path):
    with pytest.raises(BadData, match="call fit first"):
        SceneFusion(vectors).save(tmp_path)


def test_texts_that_changed_are_noticed_and_an_older_system_is_not_asked(split, saved):
    items = split.train.items.copy()
    items.loc[3, "title"] = "another title"
    items["categories"] = [["a"]] * len(items)
    with pytest.warns(UserWarning, match="differ in title and categories from those") as said:
        SceneFusion.load(saved, replace(split.train, items=items))
    assert len(said) == 1
    facts = json.loads((saved / "system.json").read_text())
    assert set(facts.pop("texts")) == {"title", "description"}
    (saved / "system.json").write_text(json.dumps(facts))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SceneFusion.load(saved, replace(split.train, items=items))
