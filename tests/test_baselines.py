"""Baselines: equal to a slow plain version, blind to the future, clear about people they do not know."""

import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys_lib import models
from recsys_lib.data.log import DAY
from recsys_lib.data.splits import hash64
from recsys_lib.errors import BadData
from recsys_lib.models.bpr import BPRMF
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.new_items import NewItemLane
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.profileknn import ProfileKNN
from recsys_lib.models.sasrec import SASRec
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.scene_map import ByPast, SceneMap
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.transitions import TransitionCounts
from tests.test_splits import make_log

MODELS = [Popularity(), Popularity(30), PopularityPrior(cuts=3), ItemKNN(), ItemKNN(5, 2.0), EASE(10.0), TransitionCounts(), Mix(PopularityPrior(cuts=3), ItemKNN())]


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(5)
    return make_log([(u, int(i), int(rng.integers(0, 200)) * DAY) for u in range(50) for i in rng.choice(30, 8, replace=False)])


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_protocol_and_no_look_into_the_future(log, model):
    until, users = 150 * DAY, np.array([0, 7, 3])
    first = model.fit(log, until).score(users, 1)
    assert first.dtype == np.float32 and first.shape == (3, len(log.scene_items(1))) and np.isfinite(first).all()
    changed = log.events.copy()
    late = changed.time >= until
    changed.loc[late, "time"] += 500 * DAY
    np.testing.assert_array_equal(first, model.fit(log.with_events(changed), until).score(users, 1))
    np.testing.assert_allclose(first, model.score(users, 1, history=log.before(until)), rtol=1e-5)


def test_a_later_history_moves_a_fitted_reader_of_histories_and_no_popularity(log):
    """What the notation page says of the rolling protocol."""
    until, users = 150 * DAY, np.arange(50)
    train, later = log.before(until), log.before(200 * DAY)
    for model, moves in ((ItemKNN(), True), (EASE(), True), (TransitionCounts(), True), (Popularity(), False), (PopularityPrior(), False)):
        model.fit(train, until)
        assert (model.score(users, 1, history=later) != model.score(users, 1)).any() == moves, type(model).__name__


EVERY = [*MODELS, TextKNN(np.eye(30)), ProfileKNN(np.eye(30), lambda log: log.matrix() @ np.eye(30)), BPRMF(4, epochs=1), SASRec(8, epochs=1), SceneFusion(np.eye(30), cuts=3, epochs=1, negatives=8), NewItemLane(ItemKNN()), SceneMap(np.eye(30)), ByPast(ItemKNN(), Popularity())]


@pytest.mark.parametrize("model", EVERY, ids=lambda m: type(m).__name__)
def test_unknown_people_and_scenes_are_refused_by_every_model(log, model):
    model.fit(log)
    for users, message in (([0, 50], "user code 50 is unknown"), ([-1], "user code -1 is unknown"), ([True], "integer codes"), ([0.5], "integer codes")):
        with pytest.raises(BadData, match=message):
            model.score(np.array(users), 1)
    for scene in (2, -1, "nowhere"):
        with pytest.raises(BadData, match="no scene .*; its scenes are a, b"):
            model.score(np.array([0]), scene)
    with pytest.raises(BadData, match="one item table"):
        model.score(np.array([0]), 1, history=make_log([(0, 1, 1), (0, 2, 2)]))
    with pytest.raises(BadData, match="user code 7 is unknown"):
        model.score(np.array([7]), 1, history=replace(log.with_events(log.events[log.events.user < 7]), users=log.users[:7]))
    np.testing.assert_array_equal(model.score(np.array([0, 3]), "b"), model.score(np.array([0, 3]), 1))
    assert model.score(np.array([], int), 1).shape == (0, len(log.scene_items(1)))


def test_every_model_is_tested():
    there = {name for path in Path(models.__path__[0]).glob("*.py") for name in re.findall(r"^class (\w+)[^\n]*:\n(?:(?!^class ).*\n)*?    def score\(", path.read_text(), re.M)}
    assert there == {type(model).__name__ for model in EVERY}


READERS = [SceneMap(np.eye(30)), ItemKNN(), EASE(10.0), TransitionCounts(), TextKNN(np.eye(30)), SASRec(8, epochs=1), SceneFusion(np.eye(30), cuts=3, epochs=1, negatives=8)]


@pytest.mark.parametrize("model", READERS, ids=lambda m: type(m).__name__)
def test_a_history_is_read_once_and_another_one_anew(log, model, monkeypatch):
    users, early, late = np.arange(9), log.before(100 * DAY), log.before(150 * DAY)
    model.fit(log)
    expected = [model.score(users, 0, history=log.with_events(h.events)) for h in (early, late)]
    reads, read = [], model.past.read
    monkeypatch.setattr(model.past, "read", lambda past: (reads.append(past), read(past))[1])
    for history, scores in ((early, expected[0]), (late, expected[1]), (early, expected[0])):
        for _ in range(3):
            np.testing.assert_array_equal(model.score(users, 0, history=history), scores)
    assert reads == [early, late, early]
    assert (expected[0] != expected[1]).any() and (model.score(users, 0) != expected[0]).any()
    monkeypatch.undo()
    copy = pickle.loads(pickle.dumps(model))  # a fitted model can be saved
    np.testing.assert_array_equal(copy.score(users, 1, history=early), model.score(users, 1, history=early))


def test_popularity_counts_its_window(log):
    until = 150 * DAY
    recent = log.events[(log.events.time < until) & (log.events.time >= until - 30 * DAY)]
    model = Popularity(30).fit(log, until)
    np.testing.assert_array_equal(model.count, np.bincount(recent.item, minlength=log.n_items))
    last = make_log([(0, 1, 0), (1, 2, 30 * DAY), (2, 3, 60 * DAY)])
    assert Popularity(30).fit(last).count.tolist() == [0, 0, 1]  # a window of thirty days up to and with the last event leaves out one thirty days older
    with pytest.raises(BadData, match="positive"):
        Popularity(0)
    with pytest.raises(BadData, match="calendar"):
        Popularity(3).fit(make_log([(0, 1, 0), (1, 2, 0)], time_kind="none"))


def test_prior_learns_which_window_counts():
    """Each fortnight has its own favourite item: only the shortest window tells anything."""
    rng, rows = np.random.default_rng(0), []
    for day in range(400):
        for _ in range(6):
            item = 2 * ((day // 60) % 10) if rng.random() < 0.8 else 2 * int(rng.integers(10))
            rows.append((len(rows), item, day * DAY))
    model = PopularityPrior().fit(make_log(rows))
    assert model.weight[0].argmax() == 0 and model.weight[0][0] > 0.3


def test_prior_maximises_the_likelihood_of_the_choices_of_each_fortnight(log):
    """The model of the class, written the slow way: no small change of a weight is better."""
    until, items, time, item = 150 * DAY, log.scene_items(1), log.events.time.to_numpy(), log.events.item.to_numpy()
    model = PopularityPrior(windows=(30, 60), cuts=4, step=10).fit(log, until)

    def count(low, high):
        return np.bincount(item[(time >= low) & (time < high)], minlength=log.n_items)[items]

    moments = [until - k * 10 * DAY for k in (1, 2, 3, 4)]
    seen = [np.log1p([count(m - w * DAY, m) for w in (30, 60)]).T for m in moments]
    taken = [count(m, m + 10 * DAY) for m in moments]

    def worth(weight):
        logs = [x @ weight - np.log(np.exp(x @ weight).sum()) for x in seen]
        return sum((n * one).sum() for n, one in zip(taken, logs, strict=True)) / np.sum(taken) - 1e-3 * (weight**2).sum()

    best = model.weight[1]
    assert all(worth(best) > worth(best + change) for change in 0.05 * np.vstack([np.eye(2), -np.eye(2)]))
    np.testing.assert_allclose(model.score([0], 1)[0], np.log1p([Popularity(w).fit(log, until).count[items] for w in (30, 60)]).T @ best, rtol=1e-5)


def test_prior_of_a_scene_younger_than_every_moment_follows_its_counts():
    """All events lie after the last moment, so nothing was counted at any: no weight can be learned, and none may be noise."""
    rows = [(k, 2 * (k % 3 == 0), 400 * DAY - k * 3600) for k in range(40)] + [(99, 1, 0)]
    model = PopularityPrior().fit(make_log(rows))
    assert (model.weight[0] == 0.25).all()
    scores, counts = model.score([0], 0)[0], np.bincount(model.log.events["item"], minlength=model.log.n_items)[model.log.scene_items(0)]
    assert (np.argsort(scores) == np.argsort(counts)).all() and len(np.unique(scores)) > 1


def test_item_knn_is_the_cosine_of_sets(log):
    x, model = log.matrix().toarray(), ItemKNN(dtype=np.float64).fit(log)
    size = x.sum(0)
    plain = (x.T @ x) / np.sqrt(np.outer(size, size))
    np.fill_diagonal(plain, 0)
    np.testing.assert_allclose(model.similarity.toarray(), plain, atol=1e-6)
    assert (ItemKNN(10**6, dtype=np.float64).fit(log).similarity != model.similarity).nnz == 0  # more neighbours than items
    assert (np.diff(ItemKNN(4).fit(log).similarity.tocsc().indptr) <= 4).all()


def test_item_knn_leaves_popularity_in_where_it_is_told_to_and_keeps_the_strongest_neighbours(log):
    x, model = log.matrix().toarray(), ItemKNN(shrink=3, target=0.0, dtype=np.float64).fit(log)
    plain = (x.T @ x) / (np.sqrt(x.sum(0))[:, None] + 3)  # rows: what the person has; columns: what is recommended
    np.fill_diagonal(plain, 0)
    np.testing.assert_allclose(model.similarity.toarray(), plain, atol=1e-6)
    few = ItemKNN(4, shrink=3, target=0.0, dtype=np.float64).fit(log).similarity.toarray()
    best = np.argsort(-model.similarity.toarray(), axis=0, kind="stable")[:4]
    for column in range(log.n_items):
        wanted = best[:, column][model.similarity.toarray()[best[:, column], column] > 0]
        assert set(np.flatnonzero(few[:, column])) == set(wanted)


def test_ease_solves_its_equations(log):
    """The gradient of the ridge loss is zero off the diagonal: G B - XtX is diagonal."""
    x, model = log.matrix().toarray().astype(float), EASE(20.0, dtype=np.float64).fit(log)
    residual = (x.T @ x + 20.0 * np.eye(log.n_items)) @ model.weight - x.T @ x
    assert np.abs(residual - np.diag(np.diag(residual))).max() < 1e-5
    assert np.abs(np.diag(model.weight)).max() == 0
    with pytest.raises(BadData, match="ridge"):
        EASE(0)


def test_transitions_count_steps_and_skip_equal_times():
    log = make_log([(0, 0, 1), (0, 2, 2), (0, 4, 2), (0, 6, 3)])
    model = TransitionCounts(steps=2, decay=0.5, norm=0).fit(log)
    code = {name: k for k, name in enumerate(log.items.item_id)}
    count = model.count.toarray()
    assert count[code["0"], code["2"]] == 1 and count[code["0"], code["6"]] == 0.5
    assert count[code["2"], code["4"]] == 0 and count[code["4"], code["2"]] == 0
    with pytest.raises(BadData, match="no order of events"):
        TransitionCounts().fit(make_log([(0, 0, 0), (0, 1, 0)], time_kind="none"))


def test_transitions_score_what_followed_the_last_steps(log):
    """The formula of the class, one event at a time."""
    model, scene = TransitionCounts(steps=2, decay=0.5, norm=0.7).fit(log), log.scene_items(1)
    count, steps = np.zeros((log.n_items, log.n_items)), {}
    for user, events in log.events.groupby("user"):
        steps[user] = [group.item.to_numpy() for _, group in events.groupby("time")]
        for a, b in ((a, b) for a in range(len(steps[user])) for b in (1, 2) if a + b < len(steps[user])):
            for j in steps[user][a]:
                count[j, steps[user][a + b]] += 0.5 ** (b - 1)
    count /= (1 + count.sum(1, keepdims=True)) ** 0.7
    plain = [sum(0.5**a * count[j] for a, items in enumerate(steps[user][::-1][:2]) for j in items)[scene] for user in range(log.n_users)]
    np.testing.assert_allclose(model.score(np.arange(log.n_users), 1), plain, atol=1e-5)


def test_a_mix_adds_the_logarithm_of_what_is_personal(log):
    prior, personal = Popularity(), ItemKNN()
    mixed = Mix(prior, personal, weight=0.3, scale=7.0).fit(log).score(np.arange(9), 1)
    np.testing.assert_allclose(mixed, prior.score(np.arange(9), 1) + 0.3 * np.log1p(7 * personal.score(np.arange(9), 1)), rtol=1e-5)


def test_the_lane_gives_new_items_their_places_and_keeps_both_orders(log):
    until = int(np.quantile(log.events.time, 0.05))
    inner = SceneFusion(np.random.default_rng(0).standard_normal((30, 4)), cuts=3, epochs=1, negatives=8)
    lane = NewItemLane(inner, first=2, every=3).fit(log, until)
    fresh = lane.new[log.scene_items(1)]
    assert 4 <= fresh.sum() <= len(fresh) - 6
    for merged, own in zip(lane.score(np.arange(20), 1), inner.score(np.arange(20), 1), strict=True):
        shown = np.argsort(-merged)
        assert fresh[shown[:8]].tolist() == [False, False, False, False, True, False, False, True]
        for kind in (fresh, ~fresh):
            assert [i for i in shown if kind[i]] == [i for i in np.lexsort((hash64(log.scene_items(1)), -own)) if kind[i]]
    with pytest.raises(BadData, match="every"):
        NewItemLane(inner, every=1)
