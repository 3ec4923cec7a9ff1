"""Profiles, the training loop, gates and scene fusion: no future in a past, equal results after a resume, better than no person at all."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from recsys_lib.data import build_log, held_out_scene, temporal_split
from recsys_lib.data.sceneworld import make_world
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.evaluation import compare, judge
from recsys_lib.models.multiscene import Gated
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion, describe_scenes
from recsys_lib.profiles import Profiles
from recsys_lib.recommend import recommend
from recsys_lib.scenes import MeanGate, PairGates, TextGates
from recsys_lib.training import step_size, train
from tests.test_splits import make_log


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 20)), min_size=1, max_size=40), st.integers(0, 22))
def test_a_profile_is_the_mean_of_strictly_earlier_vectors(events, moment):
    log = make_log(events)
    vectors = np.random.default_rng(0).standard_normal((log.n_items, 5)).astype(np.float32)
    got = Profiles(log, vectors).at(np.arange(log.n_users), np.full(log.n_users, moment))
    for u in range(log.n_users):
        for s in range(log.n_scenes):
            e = log.events
            mine = e.item[(e.user == u) & (e.scene == s) & (e.time < moment)].to_numpy()
            total = vectors[mine].sum(0)
            np.testing.assert_allclose(got[u, s], total / np.linalg.norm(total) if len(mine) else 0, atol=1e-5)


def test_a_half_life_weighs_the_last_event_most():
    log = make_log([(0, 0, 0), (0, 2, 90 * 86_400)])
    near = Profiles(log, np.eye(log.n_items, dtype=np.float32), (90,)).at(np.array([0]), None)[0].sum(0)
    assert near[1] == pytest.approx(2 * near[0], rel=1e-5)


def test_what_happens_later_changes_no_earlier_profile():
    log = make_log([(u, i, 10 * u + i) for u in range(4) for i in range(8)])
    vectors = np.random.default_rng(1).standard_normal((log.n_items, 4)).astype(np.float32)
    cut = int(np.median(log.events.time))
    late = log.events.time.to_numpy() >= cut
    only_late = np.setdiff1d(log.events.item[late], log.events.item[~late])
    planted = vectors.copy()
    planted[only_late] = 1e6  # a token that would shout from any profile it reaches
    people = np.arange(log.n_users)
    np.testing.assert_array_equal(Profiles(log, vectors).at(people, cut), Profiles(log, planted).at(people, cut))


HALF_LIVES = (None, 1, 0.01, 1e-4)  # in days; events lie days apart, so the last two forget all but the newest


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 20)), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 4000)), max_size=40),
    st.integers(1, 21),
)  # fmt: skip
def test_no_later_event_changes_an_earlier_profile_by_a_single_bit(early, late, moment):
    def log_of(rows):  # every person and item once at time 0, so that codes stay
        return make_log([(0, i, 0) for i in range(8)] + [(u, 0, 0) for u in range(4)] + [(u, i, 86_400 * t) for u, i, t in rows])

    vectors = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)
    now, people = 86_400 * moment, np.arange(4)
    known = [(u, i, t) for u, i, t in early if t < moment]
    alone = Profiles(log_of(known), vectors, HALF_LIVES).at(people, now)
    with_future = Profiles(log_of(known + [(u, i, moment + t) for u, i, t in late]), vectors, HALF_LIVES).at(people, now)
    np.testing.assert_array_equal(alone, with_future)
    assert np.isin(np.round(np.linalg.norm(alone, axis=2), 4), (0, 1)).all()


def test_a_short_half_life_does_not_lose_an_early_profile_in_a_long_history():
    """Ten years at a half-life of a day: counted from the newest event, the first weights would be 2 to the power -3650."""
    log = make_log([(0, i % 8, i * 100 * 86_400) for i in range(8)] + [(1, i, i * 86_400) for i in range(8)])
    vectors = np.random.default_rng(1).standard_normal((8, 6)).astype(np.float32)
    got = Profiles(log, vectors, (1,)).at(np.array([0]), 150 * 86_400)[0, 1]  # scene b holds item 1, met on day 100
    np.testing.assert_allclose(got, vectors[log.events.item[(log.events.user == 0) & (log.events.time == 100 * 86_400)].iloc[0]] / np.linalg.norm(vectors[4]), atol=1e-6)


@pytest.mark.parametrize("half_life", [0, -3, float("nan")])
def test_a_half_life_that_is_none_is_refused(half_life):
    with pytest.raises(BadData, match="half_lives are .* positive number of days"):
        Profiles(make_log([(0, 0, 0), (0, 1, 5)]), np.eye(2), (half_life,))


def regression(seed=0):
    torch.manual_seed(seed)
    module, x = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1)), torch.randn(64, 4)
    return module, lambda g: torch.randperm(64, generator=g).split(16), lambda rows: ((module(x[rows]).squeeze(1) - x[rows, 0]) ** 2).mean()


class Stop(Exception):
    pass


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path):
    whole, batches, loss = regression()
    train(whole, batches, loss, epochs=4)
    part, batches, loss = regression()
    calls = 0

    def dies(rows):
        nonlocal calls
        calls += 1
        if calls == 10:  # in the third epoch
            raise Stop
        return loss(rows)

    with pytest.raises(Stop):
        train(part, batches, dies, epochs=4, checkpoint=tmp_path)
    fresh, batches, loss = regression()
    nn.init.zeros_(fresh[0].weight)  # the weights must come from the file
    assert len(train(fresh, batches, loss, epochs=4, checkpoint=tmp_path)) == 4
    for a, b in zip(whole.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_other_settings_is_refused_by_name(tmp_path):
    module, batches, loss = regression()
    train(module, batches, loss, epochs=1, lr=1e-3, checkpoint=tmp_path)
    with pytest.raises(BadData, match="lr=0.001"):
        train(module, batches, loss, epochs=1, lr=2e-3, checkpoint=tmp_path)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, partial(torch.optim.SGD, momentum=0.9), torch.optim.Adam])
def test_any_optimizer_resumes_to_the_same_weights(tmp_path, optimizer):
    options = dict(epochs=3, lr=0.05, optimizer=optimizer, schedule=lambda progress: 1 - progress, clip=0.5, checkpoint=tmp_path)
    whole, batches, loss = regression()
    train(whole, batches, loss, **options | {"checkpoint": None})
    part, batches, loss = regression()
    calls = 0

    def dies(rows):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise Stop
        return loss(rows)

    with pytest.raises(Stop):
        train(part, batches, dies, **options)
    train(part, batches, loss, **options)
    for a, b in zip(whole.parameters(), part.parameters(), strict=True):
        assert torch.equal(a, b)
    for other in ({"optimizer": None}, {"clip": 1.0}, {"schedule": None}):
        with pytest.raises(BadData, match=next(iter(other))):
            train(part, batches, loss, **options | other)


def test_a_clipped_step_is_no_longer_than_the_bound():
    module = nn.Linear(1, 1, bias=False)
    before = module.weight.detach().clone()
    history = train(module, lambda g: [torch.full((1, 1), 100.0)], lambda x: module(x).sum(), epochs=1, lr=1.0, weight_decay=0.0,
                    optimizer=torch.optim.SGD, schedule=lambda progress: 1.0, clip=0.25)  # fmt: skip
    assert history[0]["gradient"] == pytest.approx(100) and (before - module.weight).item() == pytest.approx(0.25, rel=1e-4)


def test_what_is_spared_does_not_decay_and_the_step_size_follows_the_whole_run():
    module, progress = nn.ModuleDict({"a": nn.Linear(1, 1, bias=False), "b": nn.Linear(1, 1, bias=False)}), []
    for part in module.values():
        nn.init.ones_(part.weight)
    train(module, lambda g: torch.ones(4, 1).split(1), lambda x: 0 * (module["a"](x) + module["b"](x)).sum(), epochs=2, lr=0.1, weight_decay=0.5,
          no_decay=("b",), schedule=lambda at: progress.append(at) or 1.0)  # fmt: skip
    assert module["a"].weight.item() == pytest.approx(0.95**8) and module["b"].weight.item() == 1
    assert sorted(set(progress)) == [k / 8 for k in range(8)]


def test_a_loss_that_is_no_number_stops_with_its_place():
    module, batches, _ = regression()
    with pytest.raises(RecsysError, match="epoch 1, step 1.*lr"):
        train(module, batches, lambda rows: module(torch.full((2, 4), torch.inf)).sum())


def test_a_gradient_that_is_no_number_is_caught_before_its_step(tmp_path):
    module = nn.Linear(1, 1)
    nn.init.zeros_(module.weight), nn.init.zeros_(module.bias)
    with pytest.raises(RecsysError, match="gradient nan in epoch 1, step 1"):
        train(module, lambda g: [torch.ones(2, 1)], lambda x: module(x).abs().sqrt().mul(0).sum(), checkpoint=tmp_path)
    assert torch.isfinite(module.weight).all() and not list(tmp_path.iterdir())


def test_a_validation_that_is_no_number_and_an_epoch_without_batches_are_named():
    module, batches, loss = regression()
    with pytest.raises(RecsysError, match="validation value is nan after epoch 1"):
        train(module, batches, loss, validate=lambda: float("nan"))
    with pytest.raises(BadData, match="no batch"):
        train(module, lambda g: [], loss)


def test_the_order_of_an_epoch_is_not_drawn_from_the_numbers_of_its_dropout():
    module, _, loss = regression()
    seen = []

    def batches(random):
        seen.append((torch.rand(8, generator=random), torch.rand(8)))
        return torch.arange(64).split(16)

    train(module, batches, loss, epochs=2, seed=3)
    assert all(not torch.isin(a, b).any() for a, b in seen)


@pytest.mark.parametrize("stopped", [2, 3, 4])
def test_early_stopping_and_its_best_epoch_survive_a_resume(tmp_path, stopped):
    """Values 1, 3, 2, 2: the second epoch is the best, the fourth is the last."""
    values = [1.0, 3.0, 2.0, 2.0, 9.0]

    def run(folder, dies=None):
        module, batches, loss = regression()
        done = len(values) if dies is None else dies
        left = iter(values[resumed:])

        def validate():
            nonlocal done
            done -= 1
            if done < 0:
                raise Stop
            return next(left)

        return module, train(module, batches, loss, epochs=5, validate=validate, checkpoint=folder)

    resumed = 0
    whole, history = run(None)
    with pytest.raises(Stop) if stopped < 4 else nullcontext():
        run(tmp_path, stopped)
    resumed = stopped
    part, again = run(tmp_path)
    assert [f["value"] for f in again] == [f["value"] for f in history] == values[:4]
    for a, b in zip(whole.parameters(), part.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_that_does_not_fit_is_refused_in_words(tmp_path):
    module, batches, loss = regression()
    train(module, batches, loss, epochs=1, checkpoint=tmp_path)
    for field, options in (("patience=2", {"patience": 3}), ("no_decay=", {"no_decay": ("0.",)}), ("validated=False", {"validate": lambda: 1.0})):
        with pytest.raises(BadData, match=field):
            train(module, batches, loss, epochs=1, checkpoint=tmp_path, **options)
    other = nn.Linear(4, 1)
    with pytest.raises(BadData, match="another module"):
        train(other, batches, lambda rows: other(torch.ones(1, 4)).sum(), epochs=1, checkpoint=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(BadData, match="damaged"):
        train(module, batches, loss, epochs=1, checkpoint=tmp_path)


def test_weights_that_do_not_lie_in_order_in_memory_can_be_saved(tmp_path):
    module = nn.Linear(3, 2)
    module.weight.data = torch.randn(3, 2).T
    train(module, lambda g: [torch.ones(1, 3)], lambda x: module(x).sum(), epochs=1, checkpoint=tmp_path)
    assert (tmp_path / "checkpoint.safetensors").is_file()


def test_facts_of_the_questions_are_part_of_a_checkpoint(tmp_path):
    module, batches, loss = regression()
    train(module, batches, loss, epochs=1, checkpoint=tmp_path, facts={"negatives": 40, "windows": (7, 30)})
    train(module, batches, loss, epochs=1, checkpoint=tmp_path, facts={"negatives": 40, "windows": (7, 30)})
    with pytest.raises(BadData, match="made with negatives=40, this run has 50"):
        train(module, batches, loss, epochs=1, checkpoint=tmp_path, facts={"negatives": 50, "windows": (7, 30)})


def test_a_batch_too_large_for_the_gpu_is_halved_until_it_fits_and_the_step_stays_the_same():
    whole, batches, loss = regression()
    whole[1].p = 0.0  # a part would draw another dropout
    train(whole, batches, loss, epochs=3)
    module, batches, loss = regression()
    module[1].p = 0.0

    def small_gpu(rows):
        if len(rows) > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return loss(rows)

    with pytest.warns(UserWarning, match="out of memory in epoch 1, step 1; going on with batches cut into 4"):
        train(module, batches, small_gpu, epochs=3)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole.parameters(), module.parameters(), strict=True))


def test_a_batch_that_cannot_be_halved_stops_with_its_place_and_advice():
    module, batches, _ = regression()
    with pytest.warns(UserWarning, match="out of memory"), pytest.raises(RecsysError, match="out of memory in epoch 1, step 1, and the batch cannot be halved"):
        train(module, batches, lambda rows: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError("CUDA out of memory")))


def test_early_stopping_keeps_the_best_epoch():
    module, batches, loss = regression()
    values, kept = iter([1.0, 3.0, 2.0, 2.0, 9.0]), []

    def validate():
        kept.append(module[0].weight.detach().clone())
        return next(values)

    history = train(module, batches, loss, epochs=5, validate=validate, patience=2)
    assert len(history) == 4
    assert torch.equal(module[0].weight, kept[1])


def test_the_step_size_rises_and_falls():
    sizes = [step_size(p, 0.1) for p in np.linspace(0, 1, 101)]
    assert sizes[0] == 0 and max(sizes) == pytest.approx(sizes[10]) == 1 and sizes[-1] == pytest.approx(0, abs=1e-9)


def test_an_unseen_scene_gets_the_mean_gate_or_one_from_its_text():
    pair = PairGates(3, 3, 4)
    nn.init.normal_(pair.table)
    pair.trained[2] = False
    assert torch.allclose(pair()[2], pair.table[:2].mean(0)) and torch.equal(pair()[0], pair.table[0])
    mean = MeanGate(3, 3, 4)
    assert torch.equal(mean()[0], mean()[2])
    text = TextGates(torch.randn(3, 6), 1, 4)
    nn.init.normal_(text.write.weight)
    assert text().shape == (3, 3, 4) and not torch.allclose(text()[0], text()[2])


@pytest.fixture(scope="module")
def truth():
    return make_world("tiny", theme_share=0.8)


@pytest.fixture(scope="module")
def world(truth):
    return temporal_split(truth.log)


@pytest.fixture(scope="module")
def vectors(truth):
    """What a perfect reader would make of the texts: the true theme, and some noise."""
    x = np.eye(truth.theme.max() + 1)[truth.theme] + 0.05 * np.random.default_rng(0).standard_normal((truth.log.n_items, truth.theme.max() + 1))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_scene_fusion_beats_its_own_prior_where_texts_matter(world, vectors):
    split = world
    fused = judge(SceneFusion(vectors, cuts=20, epochs=6, batch=128, negatives=100).fit(split.train, split.until), split, "fusion")
    prior = judge(PopularityPrior().fit(split.train, split.until), split, "prior")
    assert compare(fused, prior, "pm_auc")["low"] > 0


def test_the_loss_estimates_the_softmax_of_the_scene_and_hides_the_own_past(world, vectors):
    model = SceneFusion(vectors, cuts=6, epochs=1, negatives=50, ids=True, id_drop=0.0, hide=0.0).fit(world.train, world.until)
    scene, items = 1, world.log.scene_items(1)
    model.net.requires_grad_(False)
    model.net.residual.weight.normal_(std=0.1), model.net.gates.table.normal_()
    asked = world.train.events[world.train.events.scene == scene].head(300)
    pools, target = torch.from_numpy(model.past().at(asked.user.to_numpy(), None)), torch.from_numpy(asked.item.to_numpy(np.int64))
    without = pools.clone()
    without[:, 2 * scene : 2 * scene + 2] = 0
    h, prior = model.net.things(model._text, torch.arange(len(vectors)), model._known)[items], model.net.prior(model._features, model._known, scene)[items]
    exact = [nn.functional.cross_entropy(model.net.person(p, scene) @ h.T + prior, target - int(items[0])).item() for p in (pools, without)]
    model.negatives = 20_000
    for model.hide, wanted in zip((0.0, 1.0), exact, strict=True):
        torch.manual_seed(0)
        assert model._loss(pools, target, scene, model._features, model._known).item() == pytest.approx(wanted, abs=0.02)
    assert abs(exact[0] - exact[1]) > 0.1


def test_what_is_known_of_an_item_at_t_are_its_counts_and_whether_it_has_any(world, vectors):
    model = SceneFusion(vectors, cuts=6, epochs=1, negatives=50, ids=True, windows=(7, 60)).fit(world.train, world.until)
    for column, days in zip(model._features.T, (7, 60), strict=True):
        np.testing.assert_allclose(column, np.log1p(Popularity(days).fit(world.train, world.until).count), rtol=1e-6)
    known = np.bincount(world.train.events.item, minlength=len(vectors)) > 0
    assert (model._known.numpy() == known).all() and not known.all()
    text = torch.from_numpy(vectors) @ model.net.read.detach()
    assert torch.allclose(model._things[~known], text[~known], atol=1e-6) and not torch.allclose(model._things[known], text[known], atol=1e-3)
    with torch.no_grad():
        model.net.new[1] += 5  # what newness is worth in scene 1
    items, nobody = world.log.scene_items(1), world.train.with_events(world.train.events[:0])
    moved = model.score([0], 1, nobody)[0]
    model.net.new.data[1] -= 5
    np.testing.assert_allclose(moved - model.score([0], 1, nobody)[0], 5.0 * ~known[items], atol=1e-4)


def test_two_fits_with_one_seed_are_one_and_strangers_get_the_prior(world, vectors):
    split = world
    a, b = (SceneFusion(vectors, cuts=6, epochs=1, negatives=50, ids=True).fit(split.train, split.until) for _ in range(2))
    people = np.arange(30)
    np.testing.assert_array_equal(a.score(people, 1), b.score(people, 1))
    nobody = split.train.with_events(split.train.events[:0])
    rows = a.score(people, 1, nobody)
    assert (rows == rows[0]).all()
    np.testing.assert_allclose(a.score(people, 1, split.train), a.score(people, 1), atol=1e-6)


@pytest.mark.parametrize("tower", [None, partial(Gated, make=PairGates)])
def test_a_scene_held_out_whole_has_the_mean_of_the_trained_gates(world, vectors, tower):
    split = held_out_scene(world.log, "music")
    net, music = SceneFusion(vectors, cuts=4, epochs=1, negatives=50, tower=tower).fit(split.train, split.until).net, split.log.scene_code("music")
    gates = net.gates if tower is None else net.tower.gates
    asked = [s for s in range(split.log.n_scenes) if (split.train.events["scene"] == s).any()]
    assert gates.trained.nonzero().ravel().tolist() == asked and music not in asked
    torch.testing.assert_close(gates()[music], gates.table[asked].mean(0))
    assert not torch.allclose(gates()[music], gates.table[music])


@pytest.mark.parametrize("gates", ["pair", "text", "mean"])
def test_a_scene_held_out_whole_still_gets_scores_that_depend_on_the_person(world, vectors, gates):
    split = held_out_scene(world.log, "music")
    described = np.random.default_rng(0).standard_normal((split.log.n_scenes, 8)) if gates == "text" else None
    model = SceneFusion(vectors, gates, described, cuts=10, epochs=1, negatives=50).fit(split.train, split.until)
    rows = model.score(split.pairs.user.to_numpy()[:50], split.log.scene_code("music"))
    assert np.isfinite(rows).all() and rows.std(0).max() > 1e-4


@pytest.mark.parametrize("change", [{"negatives": 60}, {"hide": 0.5}, {"cuts": 7}, {"half_lives": (None, 30)}, {"windows": (7, 14, 30, 90, 180)}])
def test_scene_fusion_does_not_resume_with_other_settings(world, vectors, tmp_path, change):
    options = dict(cuts=6, epochs=1, negatives=50)
    SceneFusion(vectors, **options).fit(world.train, world.until, checkpoint=tmp_path)
    with pytest.raises(BadData, match=f"made with {next(iter(change))}="):
        SceneFusion(vectors, **options | change).fit(world.train, world.until, checkpoint=tmp_path)
    with pytest.raises(BadData, match="made with vectors="):
        SceneFusion(-vectors, **options).fit(world.train, world.until, checkpoint=tmp_path)
    with pytest.raises(BadData, match="made with until="):
        SceneFusion(vectors, **options).fit(world.train, world.until - 1, checkpoint=tmp_path)


@pytest.mark.parametrize("scenes", [{"name": ["shop", "film"]}, {"name": ["shop", "film"], "description": [None, ""]}, {"name": ["shop", "film"], "description": [np.nan, "  "]}])
def test_a_scene_without_a_description_is_described_by_its_name(scenes):
    items = pd.DataFrame({"item_id": list("abcd"), "scene": ["shop", "shop", "film", "film"], "title": "t"})
    events = pd.DataFrame({"user_id": list("uvuv"), "item_id": list("abcd"), "scene": ["shop", "shop", "film", "film"], "timestamp": [1, 2, 3, 4]})
    log = build_log(events, items, pd.DataFrame(scenes))
    assert describe_scenes(log) == ["shop", "film"]
    model = SceneFusion(np.eye(4, dtype=np.float32), "text", np.zeros((2, 5), np.float32), cuts=1, epochs=1, negatives=5).fit(log)
    assert np.isfinite(model.score(np.arange(2), 0)).all()  # a description that says nothing still gives a gate


def test_a_moment_with_a_single_event_is_a_batch_of_one(world, vectors):
    log = world.train
    newest = log.events.index[-1:]
    alone = log.with_events(log.events[(log.events.time < log.events.time.max() - 60 * 86_400) | log.events.index.isin(newest)])
    model = SceneFusion(vectors, cuts=6, epochs=1, negatives=50).fit(alone, int(log.events.time.max()) + 1)
    assert np.isfinite(model.score(np.arange(3), 0)).all()


def test_a_log_without_events_cannot_be_fitted_and_a_person_without_events_gets_a_list(world, vectors):
    nobody = world.train.with_events(world.train.events[:0])
    with pytest.raises(BadData, match="no events"):
        SceneFusion(vectors).fit(nobody)
    model = SceneFusion(vectors, cuts=6, epochs=1, negatives=50).fit(world.train, world.until)
    lists = recommend(model, [0, 1], "music", history=nobody)
    assert (lists >= 0).all() and (lists[0] == lists[1]).all()


def test_wrong_inputs_are_named(world, vectors):
    with pytest.raises(BadData, match="gates is 'scalar'"):
        SceneFusion(vectors, "scalar")
    with pytest.raises(BadData, match="descriptions"):
        SceneFusion(vectors, "text")
    with pytest.raises(BadData, match="one row of finite"):
        SceneFusion(vectors[:-1]).fit(world.train, world.until)
