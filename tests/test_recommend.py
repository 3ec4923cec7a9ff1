"""Lists: order, rules, diversity, calibration, exploration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lib.data import build_log, load, temporal_split
from recsys_lib.data.splits import hash64
from recsys_lib.errors import BadData
from recsys_lib.evaluation import judge
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.recommend import as_text, calibrate, explore, first_k, limit, log_of, miscalibration, mmr, recommend
from tests.test_splits import make_log


@pytest.fixture(scope="module")
def split():
    return temporal_split(load("sceneworld", preset="tiny"))


class Fixed:
    """Scores given once for all."""

    def __init__(self, log, scores):
        self.log, self.scores = log, np.asarray(scores, np.float32)

    def score(self, users, scene, history=None):
        return np.tile(self.scores, (len(users), 1))


@pytest.fixture
def small():
    items = pd.DataFrame({"item_id": list("abcdef"), "scene": ["shop"] * 5 + ["film"], "title": ["Tea", "Oats", "Whisk", "", "Pan " * 40, "Noir"],
                          "categories": [("food", "tea"), ("food",), ("kitchen",), (), ("kitchen",), ("film",)], "price": ["low", "high", "low", None, "low", "low"]})  # fmt: skip
    events = pd.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "f"], "scene": ["shop", "film"], "timestamp": [1, 2]})
    return build_log(events, items, pd.DataFrame({"name": ["shop", "film"], "description": ["", ""]}))


def test_lists_are_the_judges_own(split):
    model = Mix(PopularityPrior(), ItemKNN()).fit(split.train, split.until)
    lists = judge(model, split).lists
    for scene in range(3):
        rows = np.flatnonzero(split.pairs["scene"] == scene)
        assert (recommend(model, split.pairs["user"].to_numpy()[rows], scene) == lists[rows]).all()


def test_ties_seen_rules_and_a_short_catalogue(small):
    flat = Fixed(small, np.zeros(5))
    got = recommend(flat, [0, 1], "shop", k=7)
    assert (got[:, 5:] == -1).all() and got[0, 4] == -1 and 0 not in got[0]  # u has item 0 already
    assert (got[1, :5] == np.argsort(hash64(np.arange(5)), kind="stable")).all()
    assert 0 in recommend(flat, [0], "shop", without_seen=False)
    assert set(recommend(flat, [1], "shop", allow=lambda items: items["price"] == "low")[0]) == {0, 2, 4, -1}
    mask = np.zeros(6, bool)
    assert (recommend(flat, [1], "shop", allow=mask) == -1).all()
    assert recommend(flat, [], "shop").shape == (0, 10)
    other = small.with_events(small.events.assign(item=[1, 5]))
    assert 1 not in recommend(flat, [0], "shop", history=other)[0] and 0 in recommend(flat, [0], "shop", history=other)[0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=60), st.lists(st.integers(0, 5), max_size=9))
def test_what_people_have_is_found_as_in_a_matrix_of_the_whole_log(rows, asked):
    log = make_log([(u, 0, 40) for u in range(6)] + rows)
    row, item = log.items_of(np.array(asked, int))
    got = np.zeros((len(asked), log.n_items))
    got[row, item] += 1
    np.testing.assert_array_equal(got, log.matrix().toarray()[asked].reshape(got.shape))
    assert (np.diff(row) >= 0).all() and len(row) == got.sum()
    assert log.with_events(log.events[:0]).items_of(np.array(asked, int))[1].size == 0  # another log finds its own


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf]), max_size=30), st.integers(1, 12), st.integers(0, 10**6))
def test_the_first_k_are_those_of_a_whole_sort(scores, k, first):
    items, x = np.arange(first, first + len(scores)), np.array(scores, np.float32)
    whole = items[np.lexsort((hash64(items), -x))]
    whole = whole[x[whole - first] > -np.inf][:k]
    assert first_k(x, items, k).tolist() == [*whole, *[-1] * (k - len(whole))]


def test_recommending_looks_at_nobody_else(split, monkeypatch):
    model = Mix(PopularityPrior(), ItemKNN()).fit(split.train, split.until)
    monkeypatch.setattr(type(split.train), "matrix", lambda *_: pytest.fail("a matrix of the whole log was built for one person"))
    assert (recommend(model, [3], "music") >= 0).all()


def test_unknown_people_and_scenes_are_named(split, small):
    model = Popularity().fit(split.train)
    for users in ([-1], [split.log.n_users], [0, 10**9]):
        with pytest.raises(BadData, match="user code .* is unknown"):
            recommend(model, users, 0)
        with pytest.raises(BadData, match="user code .* is unknown"):
            recommend(Fixed(split.train, np.zeros(len(split.log.scene_items(0)))), users, 0)
    with pytest.raises(BadData, match="no scene 'garden'; its scenes are shop, film"):
        recommend(Fixed(small, np.zeros(5)), [0], "garden")


def test_bad_input_is_named(small):
    flat = Fixed(small, np.zeros(5))
    with pytest.raises(BadData, match="at least one"):
        recommend(flat, [0], "shop", k=0)
    with pytest.raises(BadData, match="one bool for each of 6"):
        recommend(flat, [0], "shop", allow=np.ones(5, bool))
    with pytest.raises(BadData, match="one bool for each of 5"):
        recommend(flat, [0], "shop", allow=lambda items: [1, 2])
    with pytest.raises(BadData, match="nan for user 1"):
        recommend(Fixed(small, [np.nan] * 5), [1], "shop")
    with pytest.raises(BadData, match="shape"):
        recommend(Fixed(small, np.zeros(4)), [1], "shop")
    with pytest.raises(BadData, match="fit it first"):
        log_of(Popularity())
    with pytest.raises(BadData, match="trade"):
        mmr(np.ones(3), np.eye(3), trade=1.5)
    with pytest.raises(BadData, match="places"):
        explore(np.zeros((1, 3), int), [0], np.arange(3), places=(1, 3))


def test_limit_keeps_order_and_counts():
    lists = np.array([[0, 1, 2, 3, 4, 5], [5, 4, -1, -1, -1, -1]])
    group = np.array(["a", "a", "a", "b", "", ""], object)
    assert limit(lists, group, most=1, k=4).tolist() == [[0, 3, 4, 5], [5, 4, -1, -1]]
    assert limit(lists, np.array([0, 0, 0, 1, -1, -1]), most=2, k=3).tolist() == [[0, 1, 3], [5, 4, -1]]


def test_mmr_ends_and_middle():
    scores, vectors = np.array([3.0, 2.9, 2.5, 0.0]), np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0]])
    assert mmr(scores, vectors, 4, trade=1).tolist() == [0, 1, 2, 3]
    assert mmr(scores, vectors, 2, trade=0.6).tolist() == [0, 2]
    assert mmr(scores, vectors, 2, trade=0).tolist() == [0, 3]
    assert mmr(np.ones(2), np.zeros((2, 3)), 10).tolist() == [0, 1]
    assert mmr(np.zeros(0), np.zeros((0, 3))).tolist() == []


def test_calibration_follows_the_past():
    scores, shares = np.linspace(1, 0.5, 20), np.repeat(np.eye(2), 10, axis=0)
    wanted = np.array([0.7, 0.3])
    plain, fair = calibrate(scores, shares, wanted, trade=1.0), calibrate(scores, shares, wanted, trade=0.1)
    assert plain.tolist() == list(range(10))
    assert shares[fair].sum(0).tolist() == [7, 3]
    assert miscalibration(wanted, wanted) == pytest.approx(0) and miscalibration(wanted, np.array([1.0, 0])) > 0.5


def test_exploration_places_and_propensity():
    lists, users, pool = np.tile(np.arange(10), (4000, 1)), np.arange(4000), np.array([100, 101, 102, 103, 0])
    out, chance = explore(lists, users, pool, places=(4, 9), seed=1)
    new = out >= 100
    assert (new.sum(0) == [0, 0, 0, 0, 4000, 0, 0, 0, 0, 4000]).all()  # 0 stands in the list already and is no new item there
    assert (chance[new] == 0.5).all() and (chance[~new] == 1).all()
    assert (out[0][~new[0]] == np.arange(8)).all()
    for item in (100, 101, 102, 103):  # the stated propensity is how often it happens
        assert (out == item).any(1).mean() == pytest.approx(0.5, abs=0.03)
    again, other = explore(lists[7:8], users[7:8], pool, seed=1)[0], explore(lists, users, pool, seed=2)[0]
    assert (again == out[7]).all() and not (other == out).all()
    few, p = explore(lists[:1], [0], np.array([100, -1]), places=(2, 5))
    assert few[0].tolist() == [0, 1, 100, 3 - 1, 3, 4, 5, 6, 7, 8] and p[0, 2] == 1
    none, p = explore(np.array([[3, -1]]), [0], np.array([-1]), places=(1,))
    assert none.tolist() == [[3, -1]] and np.isnan(p[0, 1])


def test_a_list_a_person_can_read(small):
    text = as_text(small, [0, 3, 4, -1], notes=["", "new", "", ""])
    lines = text.split("\n")
    assert lines[0] == "1. Tea (tea)" and lines[1] == "2. (item 3, no title) (new)" and lines[2].startswith("3. Pan Pan") and "…" in lines[2]
    assert as_text(small, [-1]).startswith("Nothing to show")
    untitled = replace(small, items=small.items.assign(title=None))
    assert as_text(untitled, [3]) == "1. (item 3, no title)"
