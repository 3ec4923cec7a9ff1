"""What the library once got wrong without a word, and refuses or does right now."""

import http.client
import os
import stat
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from recsys_lib import ann
from recsys_lib.batches import clean_texts
from recsys_lib.data import build_log, held_out_scene, leave_one_out, load, load_tidy, source_split, sources, temporal_split
from recsys_lib.data.log import TIME, UNDATED, USER
from recsys_lib.errors import BadData, NotFitted, RecsysError, SourceUnreachable
from recsys_lib.evaluation import compare, judge, over_seeds, scoreboard
from recsys_lib.generator import TextCache
from recsys_lib.gguf import read_gguf
from recsys_lib.models import saving
from recsys_lib.models.bpr import BPRMF
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.profileknn import ProfileKNN
from recsys_lib.models.sasrec import SASRec
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.scene_map import ByPast, SceneMap
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.transitions import TransitionCounts
from recsys_lib.models.validation import ndcg10
from recsys_lib.profiles import Profiles, features
from recsys_lib.recommend import calibrate, mmr, recommend
from recsys_lib.training import train
from recsys_lib.transfer import asked, few_shot
from recsys_lib.vector_cache import VectorCache
from recsys_lib.weights import version_of

SMALL = {"epochs": 1, "negatives": 50, "cuts": 10}


@pytest.fixture(scope="module")
def split():
    return temporal_split(load("sceneworld", preset="tiny"))


@pytest.fixture(scope="module")
def vectors(split):
    return np.random.default_rng(0).standard_normal((split.log.n_items, 8)).astype(np.float32)


def undated(log, rows):
    """The log with these rows without a time."""
    events = log.events.copy()
    events.loc[rows, TIME] = UNDATED
    return log.with_events(events.sort_values(TIME, kind="stable"))


def test_a_checkpoint_goes_on_only_with_the_same_texts_and_events(split, vectors, tmp_path):
    a, b = (np.random.default_rng(k).standard_normal((split.log.n_scenes, 4)) for k in (1, 2))
    SceneFusion(vectors, gates="text", descriptions=a, **SMALL).fit(split.train, split.until, checkpoint=tmp_path)
    with pytest.raises(BadData, match="descriptions"):
        SceneFusion(vectors, gates="text", descriptions=b, **SMALL).fit(split.train, split.until, checkpoint=tmp_path)
    other = split.train.with_events(split.train.events.iloc[1:])
    with pytest.raises(BadData, match="events"):
        SceneFusion(vectors, gates="text", descriptions=a, **SMALL).fit(other, split.until, checkpoint=tmp_path)


def test_two_writers_of_one_system_leave_one_that_loads(split, vectors, tmp_path, monkeypatch):
    one, two = (SceneFusion(vectors, seed=seed, **SMALL).fit(split.train, np.int64(split.until)) for seed in (0, np.int64(1)))
    real = saving.writing

    def between(path, write):
        if path.name == "system.json" and monkeypatch.undo() is None:
            two.save(tmp_path)  # all of it, before the first one's last file
        return real(path, write)

    monkeypatch.setattr(saving, "writing", between)
    one.save(tmp_path)
    users = np.arange(5)
    assert np.array_equal(SceneFusion.load(tmp_path, split.train).score(users, 0), one.score(users, 0))
    one.save(tmp_path), two.save(tmp_path)
    assert np.array_equal(SceneFusion.load(tmp_path, split.train).score(users, 0), two.score(users, 0))


def test_tables_of_judgements_mix_nothing_up(split):
    models = [ItemKNN(shrink=s).fit(split.train) for s in (0, 50)]
    with pytest.raises(BadData, match="two judgements are called 'ItemKNN'"):
        scoreboard([judge(m, split) for m in models])
    half = np.arange(len(split.pairs)) % 2 == 0
    with pytest.raises(BadData, match="different questions"):
        over_seeds([judge(models[0], asked(split, part)) for part in (half, ~half)])
    with pytest.raises(BadData, match="no run"):
        over_seeds([])
    with pytest.raises(BadData, match="asks nothing"):
        judge(models[0], asked(split, np.zeros(len(split.pairs), bool)))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda j: j.value(person="knwon"), "no person kind 'knwon'; there are known, withheld, arrival, stranger"),
        (lambda j: j.slice("known", "old"), "no item slice 'old'; there are all, known, new"),
        (lambda j: j.value("ndcg@10"), "it has ndcg10, recall10, recall100, pm_auc"),
        (lambda j: j.summary(["x"]), "no metric 'x'"), (lambda j: j.by_scene("x"), "no metric 'x'"), (lambda j: compare(j, j, metric="ndcg"), "no metric 'ndcg'"),
        (lambda j: scoreboard([j], "ndcg"), "no metric 'ndcg'"), (lambda j: scoreboard([]), "0 judgements"), (lambda j: scoreboard([j], slices=[]), "0 slices"),
    ],
)  # fmt: skip
def test_a_judgement_names_what_it_has(split, ask, said):
    judged = judge(Popularity(30).fit(split.train, split.until), asked(split, np.arange(len(split.pairs)) < 20))
    with pytest.raises(BadData, match=said):
        ask(judged)


class Fixed:
    """One row of scores for everybody."""

    def __init__(self, log, row):
        self.log, self.row = log, row

    def score(self, users, scene, history=None):
        return np.tile(self.row[: len(self.log.scene_items(scene))], (len(users), 1))


def test_lists_and_judgements_tell_the_same_scores_apart(split):
    n = max(len(split.log.scene_items(s)) for s in range(split.log.n_scenes))
    for row in (1 + np.arange(n) * 1e-10, np.arange(n), np.arange(n, dtype=np.float16)):
        model = Fixed(split.train, row)
        user, scene = split.pairs[["user", "scene"]].iloc[0]
        assert recommend(model, [user], int(scene), 10, split.train)[0].tolist() == judge(model, split).lists[0].tolist()


def test_what_is_in_no_list_is_not_found(split):
    n = max(len(split.log.scene_items(s)) for s in range(split.log.n_scenes))
    nothing = judge(Fixed(split.train, np.full(n, -np.inf)), split)
    assert (nothing.lists == -1).all() and nothing.pairs[["ndcg10", "recall10", "recall100"]].to_numpy().max() == 0


EVENTS = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"], "scene": "m", "timestamp": [3, 4, 5]})
ITEMS = pd.DataFrame({"item_id": ["x", "y"], "scene": "m", "title": ["X", "Y"]})
SCENES = pd.DataFrame({"name": ["m"], "description": [""]})


@pytest.mark.parametrize(
    ("events", "items", "scenes", "said"),
    [
        (EVENTS.assign(timestamp=pd.to_datetime(EVENTS.timestamp)), ITEMS, SCENES, "timestamps are of type datetime64"),
        (EVENTS.assign(timestamp=[3, 4, np.nan]), ITEMS, SCENES, "events row 2: timestamp is missing"),
        (EVENTS.assign(user_id=["a", None, "b"]), ITEMS, SCENES, "events row 1: user_id is missing"),
        (EVENTS.assign(user_id=["a", 1, "b"]), ITEMS, SCENES, "several types"),
        (EVENTS, ITEMS, pd.concat([SCENES, SCENES]), "'m' stands twice"),
        (EVENTS.drop(columns="timestamp"), ITEMS, SCENES, "no column 'timestamp'"),
    ],
)
def test_raw_tables_are_looked_at(events, items, scenes, said):
    with pytest.raises(BadData, match=said):
        build_log(events, items, scenes)


def test_an_undated_repeat_hides_no_dated_event():
    twice = pd.concat([EVENTS, EVENTS.iloc[:1].assign(timestamp=UNDATED)])
    assert build_log(twice, ITEMS, SCENES).events[TIME].tolist() == [3, 4, 5]


def test_nobody_can_say_that_undated_lies_before_a_moment(split, vectors):
    log, rows = split.log, split.log.events.index[::7]
    without = undated(log, rows)
    assert len(without.before(split.until).events) == (np.delete(log.events[TIME].to_numpy(), rows) < split.until).sum()
    some = without.events.query("scene == 0")
    assert (few_shot(undated(log, some.index[:50]), 0, [50])[50].train.events[TIME] != UNDATED).all()
    profiles = Profiles(log, vectors, (None,))
    assert not profiles.at([0], np.array([UNDATED])).any()
    for wrong in ([-1], [log.n_users]):
        with pytest.raises(BadData, match="user codes run from"):
            profiles.at(wrong, None)
    with pytest.raises(BadData, match="'2024-05-01' is a str"):
        Popularity().fit(log, "2024-05-01")


def test_splits_keep_their_word(split):
    trial = held_out_scene(split.log, 0).validation()
    assert trial.until is not None and trial.until < split.until and trial.protocol == "frozen at T"
    assert leave_one_out(split.log).train.events[TIME].is_monotonic_increasing
    with pytest.raises(BadData, match="shares between 0 and 1"):
        temporal_split(split.log, quantile=2)
    with pytest.raises(BadData, match="train, validation or test"):
        source_split(split.log.with_events(split.log.events.assign(part="Train")))
    with pytest.raises(BadData, match="integer codes"):
        leave_one_out(split.log, np.array(["u0000001"]))


def test_ease_says_when_the_matrix_is_singular_and_when_there_is_none(split):
    with pytest.raises(BadData, match="cannot be inverted"):
        EASE(lam=1e-6).fit(split.log)
    with pytest.raises(BadData, match="no event"):
        EASE().fit(split.log, 0)
    with pytest.raises(BadData, match="positive ridge"):
        EASE(lam=float("nan"))


@pytest.mark.parametrize(
    "make",
    [
        lambda v: SceneFusion(v, batch=0), lambda v: SceneFusion(v, half_lives=()), lambda v: SceneFusion(v, windows=()), lambda v: SceneFusion(v, negatives=0),
        lambda v: SceneFusion(v, epochs=0), lambda v: SceneFusion(v, hide=2), lambda v: SceneFusion(v, lr=-1),
        lambda v: SceneFusion(v, epochs=2.5), lambda v: SceneFusion(v, half_lives=5), lambda v: SceneFusion(v, negatives=10.5), lambda v: SceneFusion(v, lr="x"),
        lambda v: SceneFusion(v, batch=1.5), lambda v: SceneFusion(v, seed=-3), lambda v: SceneFusion(v[0]), lambda v: SceneFusion(v, windows=("7",)), lambda v: SceneFusion(v, lr=np.nan),
        lambda v: ItemKNN(neighbours=0), lambda v: ItemKNN(shrink=-1), lambda v: EASE(most=0), lambda v: EASE(most=-5),
        lambda v: TransitionCounts(steps=0), lambda v: TransitionCounts(decay=-1), lambda v: TransitionCounts(norm=np.nan),
        lambda v: Popularity(np.nan), lambda v: PopularityPrior(step=np.nan), lambda v: PopularityPrior(windows=(None, 30)), lambda v: TextKNN(v, half_life=np.nan),
        lambda v: ann.Index().build(v).search(v[:1] * np.nan),
        lambda v: SASRec(dropout=1.0), lambda v: SASRec(dropout=-0.5), lambda v: PopularityPrior(windows=()), lambda v: PopularityPrior(cuts=0),
        lambda v: ann.Index().build(np.zeros(5)), lambda v: ann.Index().build(v).search(v[:1], 0),
        lambda v: calibrate(np.ones(3), np.eye(3), np.ones(3) / 3, smooth=0), lambda v: mmr([-np.inf, 1, 2], np.eye(3)),
        lambda v: clean_texts("hello", 8), lambda v: load("sceneworld", preset="tiny", users=0), lambda v: load("sceneworld", preset="tiny", seed=-1),
        lambda v: load("sceneworld", preset="tiny", theme_share="0.8"), lambda v: load("movielens-1m", foo=1),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_refused(make, vectors):
    with pytest.raises(BadData):
        make(vectors)


def test_arguments_that_fit_no_log_are_refused(split, vectors):
    with pytest.raises(BadData, match="descriptions for the"):
        SceneFusion(vectors, gates="text", descriptions=np.ones((1, 4)), **SMALL).fit(split.train)
    with pytest.raises(BadData, match="vectors of"):
        ProfileKNN(vectors[1:], lambda log: np.zeros((log.n_users, 8))).fit(split.train)
    model = ItemKNN().fit(split.train)
    for users, scene, k in (([1.7], 0, 10), (["u0000007"], 0, 10), ([0], 1.7, 10), ([0], None, 10), ([0], 0, 2.5)):
        with pytest.raises(BadData):
            recommend(model, users, scene, k)
    rule = pd.Series([True, None] * split.log.n_items, dtype=object)
    assert (recommend(model, [0], 0, 5, allow=lambda items: rule.iloc[: len(items)]) >= 0).all()


def test_fitting_leaves_everyone_elses_chance_alone(split, vectors):
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        SceneFusion(vectors, **SMALL).fit(split.train, split.until)
        drawn.append(float(torch.rand(1)))
    assert drawn[0] != drawn[1]


def test_a_training_that_would_not_train_is_refused_and_another_optimizer_does_not_go_on(tmp_path):
    module = torch.nn.Linear(2, 1)
    batches, loss = (lambda random: [torch.ones(4, 2)]), (lambda rows: module(rows).square().mean())
    for setting in ({"patience": 0, "validate": lambda: 1.0}, {"epochs": 0}, {"clip": -1.0}, {"clip": 0.0}):
        with pytest.raises(BadData, match="epochs is .*, patience .* and clip"):
            train(module, batches, loss, **setting)
    train(module, batches, loss, epochs=1, optimizer=partial(torch.optim.SGD, momentum=0.9), checkpoint=tmp_path)
    with pytest.raises(BadData, match="momentum=0.9.*momentum=0.1"):
        train(module, batches, loss, epochs=1, optimizer=partial(torch.optim.SGD, momentum=0.1), checkpoint=tmp_path)


def test_a_fit_that_was_interrupted_leaves_no_system(split, vectors, tmp_path):
    model = SceneFusion(vectors, **SMALL).fit(split.train, split.until)

    class Impatient:
        def add_scalar(self, *fact):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(split.train, split.until, writer=Impatient())
    with pytest.raises(NotFitted, match="SceneFusion is not fitted"):
        model.score(np.arange(2), 0)
    with pytest.raises(BadData, match="call fit first"):
        model.save(tmp_path)


@pytest.mark.parametrize("model", [BPRMF(epochs=1), EASE(), ItemKNN(), Popularity(), PopularityPrior(), SASRec(epochs=1, device="cpu"), TransitionCounts()], ids=lambda model: type(model).__name__)
def test_a_second_fit_that_fails_leaves_no_mixture_of_two(model, split, monkeypatch):
    model.fit(split.train, split.until).score(np.arange(2), 0)

    def stopped(*anything, **named):
        raise KeyboardInterrupt

    for name in ("bincount", "empty", "sqrt", "lexsort", "arange"):
        monkeypatch.setattr(np, name, stopped)
    with pytest.raises(KeyboardInterrupt):
        model.fit(split.train, split.until)
    monkeypatch.undo()
    with pytest.raises(NotFitted, match=f"{type(model).__name__} is not fitted"):
        model.score(np.arange(2), 0)


def test_settings_in_numpys_numbers_are_saved(split, vectors, tmp_path):
    model = SceneFusion(vectors, epochs=1, negatives=np.int64(50), cuts=np.int64(4), windows=np.array([7, 30]), lr=np.float32(1e-3)).fit(split.train, split.until)
    loaded = SceneFusion.load(model.save(tmp_path), split.train)
    assert loaded.windows == (7, 30) and loaded.cuts == 4
    np.testing.assert_array_equal(loaded.score(np.arange(5), 0), model.score(np.arange(5), 0))


def test_undated_events_teach_scene_fusion_nothing(split, vectors):
    log = split.train
    model = SceneFusion(vectors, **SMALL).fit(undated(log, log.events.index[log.events["scene"] == 0]))
    assert not model.net.gates.trained[0] and not model._known[: len(log.scene_items(0))].any()
    assert not Popularity(30).fit(undated(log, log.events.index)).count.any()


def test_no_question_of_training_stands_in_the_counts_of_its_own_moment(monkeypatch):
    """A seventh of a day is no whole number of seconds. Each item is taken once, so at its own moment it has no count."""
    when = np.random.default_rng(0).integers(0, 8 * 86_400, 600)
    events = pd.DataFrame({"user_id": [f"u{k}" for k in range(600)], "item_id": [f"i{k:03}" for k in range(600)], "scene": "m", "timestamp": when})
    log = build_log(events, pd.DataFrame({"item_id": events["item_id"], "scene": "m", "title": ""}), SCENES)
    counted = []
    plain = SceneFusion._loss
    monkeypatch.setattr(SceneFusion, "_loss", lambda self, pools, target, scene, features, known: (counted.append(known[target].sum().item()), plain(self, pools, target, scene, features, known))[1])
    SceneFusion(np.eye(600, 4), step=1 / 7, cuts=52, epochs=1, negatives=20).fit(log)
    assert len(counted) > 40 and not any(counted)


def test_tuning_takes_and_refuses_what_the_judge_does(split):
    class Model:
        def __init__(self, scores):
            self.score = lambda users, scene: scores(len(users), len(split.log.scene_items(scene)))

    assert ndcg10(Model(lambda n, k: np.tile(np.arange(k), (n, 1))), split) == ndcg10(Model(lambda n, k: np.tile(np.arange(k, dtype=float), (n, 1))), split)
    for scores in (lambda n, k: np.full((n, k), np.nan), lambda n, k: np.zeros((1, k))):
        with pytest.raises(BadData, match="were asked for"):
            ndcg10(Model(scores), split)


def test_one_step_of_training_is_a_step():
    module = torch.nn.Linear(2, 1)
    before = module.weight.detach().clone()
    train(module, lambda random: [torch.ones(4, 2)], lambda rows: module(rows).square().mean(), epochs=1)
    assert not torch.equal(before, module.weight)


def test_the_weights_of_another_format_are_not_confused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"1")
    with pytest.raises(BadData, match="no safetensors"):
        version_of(str(tmp_path))


def test_a_large_world_misses_its_file(tmp_path):
    options = {"preset": "xl-10m", "users": 60, "items": 30, "target": 300, "cache": tmp_path}
    load("sceneworld", **options)
    for damage in (lambda path: path.write_bytes(path.read_bytes()[:50]), lambda path: path.unlink()):
        damage(next(tmp_path.rglob("events-02.parquet")))
        with pytest.raises(BadData, match="delete the folder"):
            load("sceneworld", **options)


def test_a_shard_that_cannot_be_read_now_is_not_thrown_away(tmp_path, monkeypatch):
    VectorCache(tmp_path).put([b"k" * 16], np.ones((1, 4)))
    cache = VectorCache(tmp_path)
    cache._keys_of(next(tmp_path.iterdir()))

    def too_many(self):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("pathlib.Path.read_bytes", too_many)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert cache.get([b"k" * 16]) == {}
    monkeypatch.undo()
    assert list(cache.get([b"k" * 16]))


def test_what_another_process_forgot_is_forgotten_here(tmp_path):
    TextCache(tmp_path).put({"k1": "one"})
    here = TextCache(tmp_path)
    assert here.get() == {"k1": "one"}
    TextCache(tmp_path).remove(["k1"])
    assert here.get() == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_a_file_of_the_cache_can_be_read_by_others(tmp_path):
    made = sources.writing(tmp_path / "x", lambda part: part.write_text("x"))
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(made.stat().st_mode) == 0o666 & ~umask


def test_a_download_that_breaks_off_is_said_in_a_sentence(monkeypatch, tmp_path):
    class Broken:
        def read(self, n):
            raise http.client.IncompleteRead(b"")

        def close(self):
            pass

    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path))
    monkeypatch.delenv("RECSYS_MIRROR", raising=False)
    monkeypatch.setattr(sources, "probe", lambda *_: None)
    monkeypatch.setattr(sources, "_open", lambda _: Broken())
    name = next(s.name for s in sources.registry().values() if not s.wheel)
    with pytest.raises(SourceUnreachable, match="broke off"):
        sources.fetch(name)


def test_a_cut_gguf_file_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "x.gguf"
    for content in (b"", b"GGUF\x03\x00\x00\x00" + b"\x01" + b"\x00" * 7 + b"\x01" + b"\x00" * 7):
        path.write_bytes(content)
        with pytest.raises(BadData, match="cut short"):
            read_gguf(path)


def test_dates_without_dashes_are_no_seconds(tmp_path):
    ITEMS.to_csv(tmp_path / "items.csv", index=False)
    EVENTS.assign(timestamp=[20240501, 20240502, 20240503]).to_csv(tmp_path / "interactions.csv", index=False)
    with pytest.raises(BadData, match="date without dashes"):
        load_tidy(tmp_path)
    assert USER in build_log(EVENTS, ITEMS, SCENES).events


def test_a_feature_of_the_form_cannot_take_the_name_of_a_counted_one(split):
    users = split.log.users.assign(events=1)
    with pytest.raises(BadData, match="a column 'events'"):
        features(replace(split.log, users=users))


def test_a_model_that_was_not_fitted_is_named(split, vectors):
    with pytest.raises(NotFitted, match="ItemKNN is not fitted.*call fit"):
        judge(Mix(Popularity().fit(split.train, split.until), ItemKNN()), split)

    class Broken:
        def score(self, users, scene):
            return users.nothing

    with pytest.raises(AttributeError, match="nothing"):
        judge(Broken(), split)
    for model in (BPRMF(), EASE(), ItemKNN(), Popularity(), PopularityPrior(), ProfileKNN(vectors, len), SASRec(), SceneFusion(vectors), SceneMap(vectors), ByPast(None, None), TextKNN(vectors), TransitionCounts()):
        with pytest.raises(NotFitted, match=f"{type(model).__name__} is not fitted"):
            model.score(np.array([0]), 0)
        assert not hasattr(model, "log")


def test_a_model_that_may_learn_from_nothing_says_so(split, vectors):
    with pytest.raises(BadData, match="no events before T, so there is nothing to learn from"):
        SceneFusion(vectors, **SMALL).fit(split.log, int(split.log.events[TIME].min()))


def test_a_folder_that_cannot_be_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, said in (("file", "is a file, not a folder"), ("file/below", "file is a file, not a folder"), ("link", "is a link to nowhere")):
        with pytest.raises(RecsysError, match=said):
            sources.writing(tmp_path / name / "x", lambda part: part.write_text("x"))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a system without /proc")
def test_a_folder_where_none_can_be_made_is_said_in_a_sentence():
    with pytest.raises(RecsysError, match="/proc cannot be written"):
        sources.writing(sources.Path("/proc/x/y"), lambda part: part.write_text("x"))


def test_a_person_is_found_by_key_or_by_number(split):
    log = split.log
    keys = log.users["user_id"]
    assert log.user_code(keys[7]) == 7 and build_log(EVENTS.assign(user_id=[30, 30, 4]), ITEMS, SCENES).user_code(30) == 1
    with pytest.raises(BadData, match=f"no person 'U{keys[7][1:]}' in .*such as .*{keys[7]}"):
        log.user_code("U" + keys[7][1:])
    nameless = build_log(EVENTS, ITEMS, SCENES, keep_user_ids=False)
    assert nameless.user_code("1") == nameless.user_code(1) == 1
    for nobody in ("2", -1, "a"):
        with pytest.raises(BadData, match="a number below 2"):
            nameless.user_code(nobody)
