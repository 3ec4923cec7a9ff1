"""The judge: equal to plain definitions and to ranx on random cases; ties, slices, intervals."""


import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lib.data import temporal_split
from recsys_lib.data.splits import hash64
from recsys_lib.errors import BadData
from recsys_lib.evaluation import METRICS, Judgement, compare, consistency, judge, list_facts, over_seeds, scoreboard
from recsys_lib.metrics import list_ndcg, matched_auc, ndcg, rank_of, recall, top_k
from recsys_lib.models.validation import ndcg10
from recsys_lib.transfer import asked
from tests.test_splits import make_log


class Fixed:
    """Scores given beforehand, [users, items]."""

    def __init__(self, log, table):
        self.log, self.table = log, table

    def score(self, users, scene, history=None):
        return self.table[users][:, self.log.scene_items(scene)].copy()


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(3)
    log = make_log([(u, i, int(rng.integers(100))) for u in range(40) for i in rng.choice(60, 14, replace=False)])
    return log, temporal_split(log), rng


def plain_rows(split, model):
    """The contract's definitions, written the slow way."""
    count, rows = np.bincount(split.train.events.item, minlength=split.log.n_items), []
    for (u, s, _), positives in zip(split.pairs.itertuples(index=False), split.positives, strict=True):
        items, x = split.log.scene_items(s), model.score(np.array([u]), s)[0].astype(float)
        own = set(split.train.events.item[split.train.events.user == u])
        listed = sorted((i for i in items if i not in own), key=lambda i: (-x[i - items[0]], hash64(i)))
        ranks = np.array([listed.index(p) for p in positives])
        dcg = sum(1 / np.log2(r + 2) for r in ranks if r < 10) / sum(1 / np.log2(k + 2) for k in range(min(10, len(ranks))))
        aucs = []
        for p in positives:
            rivals = [i for i in listed if i not in positives and np.floor(np.log2(1 + count[i])) == np.floor(np.log2(1 + count[p]))]
            if rivals:
                aucs.append(np.mean([(x[i - items[0]] < x[p - items[0]]) + 0.5 * (x[i - items[0]] == x[p - items[0]]) for i in rivals]))
        rows.append((dcg, np.mean(ranks < 10), np.mean(ranks < 100), np.mean(aucs) if aucs else np.nan))
    return np.array(rows)


@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_equal_to_the_plain_definitions_with_and_without_ties(case, levels):
    log, split, rng = case
    model = Fixed(log, rng.integers(levels, size=(log.n_users, log.n_items)).astype(np.float32))
    judged = judge(model, split).pairs.query("item == 'all'").sort_values(["user", "scene"])
    np.testing.assert_allclose(judged[["ndcg10", "recall10", "recall100", "pm_auc"]].to_numpy(), plain_rows(split, model), atol=1e-12)


@pytest.mark.parametrize("levels", [3, 10**6])
def test_the_figure_for_tuning_is_the_judges(case, levels):
    log, split, rng = case
    model = Fixed(log, rng.integers(levels, size=(log.n_users, log.n_items)).astype(np.float32))
    judged = judge(model, split).pairs.query("item == 'all'")
    assert ndcg10(model, split) == pytest.approx(judged.groupby("scene").ndcg10.mean().mean(), abs=1e-12)


def test_equal_to_ranx(case):
    from ranx import Qrels, Run, evaluate

    log, split, rng = case
    table = rng.permuted(np.tile(np.arange(log.n_items, dtype=np.float32), (log.n_users, 1)), axis=1)
    qrels, run = {}, {}
    for k, ((u, s, _), positives) in enumerate(zip(split.pairs.itertuples(index=False), split.positives, strict=True)):
        own = set(split.train.events.item[split.train.events.user == u])
        qrels[str(k)] = {str(p): 1 for p in positives}
        run[str(k)] = {str(i): float(table[u, i]) for i in log.scene_items(s) if i not in own}
    theirs = evaluate(Qrels(qrels), Run(run), ["ndcg@10", "recall@10"])
    ours = judge(Fixed(log, table), split).pairs.query("item == 'all'")
    assert ours.ndcg10.mean() == pytest.approx(theirs["ndcg@10"], abs=1e-6)
    assert ours.recall10.mean() == pytest.approx(theirs["recall@10"], abs=1e-6)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.data())
def test_ranks_lists_and_auc_agree_with_sorting(values, data):
    x = np.array(values, np.float32)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=12, unique=True)))
    order = np.argsort(-x, kind="stable")
    assert rank_of(x, chosen).tolist() == [int(np.flatnonzero(order == j)[0]) for j in chosen]
    free = np.ones(len(x), bool)
    free[chosen] = False
    auc = matched_auc(x, chosen, free, np.zeros(len(x), int), {0: np.arange(len(x))})
    assert np.isnan(auc).all() if not free.any() else ((auc >= 0) & (auc <= 1)).all()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_first_k_of_each_row_agree_with_sorting(data):
    n, levels = data.draw(st.integers(1, 30)), data.draw(st.sampled_from([3, 10_000]))
    x = np.array(data.draw(st.lists(st.lists(st.integers(0, levels), min_size=n, max_size=n), min_size=1, max_size=6)), np.float32)
    x[x == 0] = -np.inf
    for row, best in zip(x, top_k(x, 5), strict=True):
        order = [j for j in np.argsort(-row, kind="stable").tolist() if row[j] > -np.inf]
        assert best.tolist() == (order[:5] + [-1] * 5)[:5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.permutations(range(15)), st.integers(0, 10), st.lists(st.integers(0, 14), min_size=1, unique=True)), min_size=1, max_size=8))
def test_the_ndcg_of_lists_is_that_of_ranks(rows):
    """A row: an order of all items, how many of the first ten are listed, and what is sought."""
    lists = np.array([[item if place < shown else -1 for place, item in enumerate(order[:10])] for order, shown, _ in rows])
    ranks = [np.array([r if (r := order.index(item)) < shown else 10 for item in sought]) for order, shown, sought in rows]
    assert list_ndcg(lists, [np.array(sought) for *_, sought in rows]) == pytest.approx([ndcg(r) for r in ranks], abs=1e-12)


@pytest.mark.parametrize(("lists", "rows"), [(1, 2), (0, 0)])
def test_the_ndcg_of_lists_needs_a_list_for_each_row(lists, rows):
    with pytest.raises(BadData, match=f"{lists} lists for {rows} rows"):
        list_ndcg(np.zeros((lists, 10), int), [np.array([1])] * rows)


RANKS = st.lists(st.integers(0, 150), min_size=1, max_size=20, unique=True).map(np.array)


@settings(max_examples=100, deadline=None)
@given(RANKS, st.integers(1, 200), st.data())
def test_ndcg_and_recall_keep_their_laws(ranks, k, data):
    """Both lie in 0 … 1, are 1 for the ideal list, never fall when a positive rises, and recall never falls with k."""
    for metric in (ndcg, recall):
        value = metric(ranks, k)
        assert 0 <= value <= 1 + 1e-12 and value == pytest.approx(metric(ranks[::-1], k))
        worst = data.draw(st.integers(0, len(ranks) - 1))
        free = sorted(set(range(int(ranks[worst]))) - set(ranks.tolist()))
        if free:
            better = ranks.copy()
            better[worst] = data.draw(st.sampled_from(free))
            assert metric(better, k) >= value - 1e-12
    assert ndcg(np.arange(len(ranks)), k) == pytest.approx(1) and recall(ranks, k + 1) >= recall(ranks, k)
    assert recall(np.arange(len(ranks)), k) == pytest.approx(min(k, len(ranks)) / len(ranks))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([2, 7, 1000]), scale=st.sampled_from([0.25, 2.0, 64.0]))
def test_only_the_order_of_scores_counts(case, seed, levels, scale):
    """Any rising transform of the scores, even another one for each person, changes no figure; turning them round mirrors the matched AUC."""
    log, split, _ = case
    rng = np.random.default_rng(seed)
    table = rng.integers(levels, size=(log.n_users, log.n_items)).astype(np.float32)
    shifted = table * np.float32(scale) + rng.integers(-9, 9, size=(log.n_users, 1)).astype(np.float32)
    first, again, turned = (judge(Fixed(log, x), split) for x in (table, shifted, -table))
    pd.testing.assert_frame_equal(first.pairs, again.pairs)
    np.testing.assert_array_equal(first.lists, again.lists)
    np.testing.assert_allclose(first.pairs.pm_auc, 1 - turned.pairs.pm_auc, atol=1e-12)


def test_known_values():
    assert ndcg(np.array([0])) == 1 and ndcg(np.array([10])) == 0
    assert ndcg(np.array([1])) == pytest.approx(1 / np.log2(3))
    assert recall(np.array([0, 3, 200]), 100) == pytest.approx(2 / 3)


def test_a_system_against_itself_differs_by_nothing_and_a_better_one_by_something(case):
    log, split, rng = case
    noise = Fixed(log, rng.random((log.n_users, log.n_items), np.float32))
    truth = noise.table.copy()
    for (u, _, _), positives in zip(split.pairs.itertuples(index=False), split.positives, strict=True):
        truth[u, positives] += 2
    a, b = judge(Fixed(log, truth), split, "truth"), judge(noise, split, "noise")
    same, gap = compare(b, b, item="all"), compare(a, b, item="all")
    assert same["low"] == same["difference"] == same["high"] == 0
    assert gap["low"] > 0 and gap["low"] <= gap["difference"] <= gap["high"]
    assert a.value(item="all") == 1
    board = scoreboard([a, b], slices=[("known", "all")])
    assert board.index[0] == "truth"
    assert board[("known × all", "n")].tolist() == [len(b.slice("known", "all"))] * 2 and board.round(4).T.loc[("known × all", "n")].map(str).str.isdigit().all()
    auc = scoreboard([b], "pm_auc", slices=[("known", "known"), ("stranger", "new")])
    assert auc.loc["noise", ("known × known", "n")] == b.slice("known", "known").pm_auc.notna().sum() and list(auc["known × known"].columns) == ["mean", "low", "high", "n"]
    row = b.summary().loc[("known", "all")]
    assert row.ndcg10_low <= row.ndcg10 <= row.ndcg10_high


def test_a_score_of_a_wrong_shape_or_nan_is_refused(case):
    log, split, _ = case
    with pytest.raises(BadData, match="nan"):
        judge(Fixed(log, np.full((log.n_users, log.n_items), np.nan, np.float32)), split)
    wrong = Fixed(log, np.zeros((log.n_users, log.n_items), np.float32))
    wrong.score = lambda users, scene, history=None: np.zeros((len(users), 1))
    with pytest.raises(BadData, match="shape"):
        judge(wrong, split)


def test_scores_may_be_counts_and_must_be_numbers(case):
    log, split, rng = case
    counts = Fixed(log, rng.integers(5, size=(log.n_users, log.n_items)))
    judged = judge(counts, split).pairs.query("item == 'all'")
    assert ndcg10(counts, split) == pytest.approx(judged.groupby("scene").ndcg10.mean().mean(), abs=1e-12)
    with pytest.raises(BadData, match="values of type object"):
        judge(Fixed(log, counts.table.astype(object)), split)


def test_only_full_lists_count_for_consistency(case):
    log, split, rng = case
    vectors = rng.standard_normal((log.n_items, 4))
    judged, short = judge(Fixed(log, rng.standard_normal((log.n_users, 4)) @ vectors.T), split), rng.random(len(split.pairs)) < 0.5
    some = replace(judged, lists=judged.lists[~short])
    judged.lists[short, 9] = -1
    assert consistency(judged, split, vectors) == pytest.approx(consistency(some, asked(split, ~short), vectors), abs=1e-12)


def test_what_cannot_be_compared_is_told_without_a_warning():
    log = make_log([(0, 0, 1), (0, 2, 2), (0, 4, 3), (1, 0, 1), (1, 2, 4), (1, 4, 9), (0, 6, 9)])
    judged = judge(Fixed(log, np.arange(8.0).reshape(2, 4)), temporal_split(log))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row, board, gap = judged.summary().loc[("known", "all")], scoreboard([judged], "pm_auc", [("known", "all")]), compare(judged, judged, "pm_auc", item="all")
    assert row.n == 2 and np.isnan([row.pm_auc, row.pm_auc_low, gap["low"], gap["high"]]).all() and row.ndcg10_low <= row.ndcg10
    assert gap["n"] == board[("known × all", "n")].item() == 0


def test_seeds_are_averaged_whatever_the_metric_is_called(case):
    log, split, rng = case
    runs = [judge(Fixed(log, rng.random((log.n_users, log.n_items))), split) for _ in range(2)]
    for run, value in zip(runs, (1.0, 2.0), strict=True):
        run.pairs = run.pairs.drop(columns=["ndcg10", "recall10", "recall100", "pm_auc"]).assign(clicks=value)
    assert over_seeds(runs).value("clicks", item="all") == 1.5


def test_a_catalogue_smaller_than_k_leaves_places_empty():
    log = make_log([(u, i, 10 * (i // 2) + u) for u in range(5) for i in range(6)])
    split = temporal_split(log)
    judged = judge(Fixed(log, np.zeros((log.n_users, log.n_items), np.float32)), split)
    assert (judged.lists == -1).any() and isinstance(judged.facts, pd.DataFrame)


def judgement(pairs, name="a"):
    """Per-pair figures of known people and items, given by hand."""
    pairs = pairs.assign(person="known", item="known", positives=1)
    return Judgement(name, "by hand", pairs.assign(**{m: pairs.ndcg10 for m in METRICS if m not in pairs}), np.zeros((0, 10), int), pd.DataFrame(), 0.0, 0)


def test_an_interval_redraws_whole_people_and_a_mean_weighs_scenes_alike():
    """People like themselves in both scenes: 400 rows tell no more than 200 people do."""
    value = np.random.default_rng(1).normal(0.3, 0.1, 200)
    both = pd.DataFrame({"user": np.repeat(np.arange(200), 2), "scene": np.tile([0, 1], 200), "ndcg10": np.repeat(value, 2)})
    a, b = judgement(both), judgement(both.assign(ndcg10=0.2), "b")
    half = 1.96 * value.std() / np.sqrt(200)
    gap, row, board = compare(a, b), a.summary(["ndcg10"]).iloc[0], scoreboard([a], slices=[("known", "known")]).iloc[0]
    assert (gap["high"] - gap["low"]) / 2 == pytest.approx(half, rel=0.06) and gap["n"] == 400
    assert (row.ndcg10_high - row.ndcg10_low) / 2 == pytest.approx(half, rel=0.06) == (board.iloc[2] - board.iloc[1]) / 2
    assert gap["difference"] == pytest.approx(value.mean() - 0.2) and gap["relative"] == pytest.approx(value.mean() / 0.2 - 1)
    uneven = judgement(pd.DataFrame({"user": [0, 1, 2, 3], "scene": [0, 0, 0, 1], "ndcg10": [0.1, 0.2, 0.3, 0.8]}))
    assert uneven.value() == pytest.approx(0.5) == uneven.summary(["ndcg10"], intervals=False).ndcg10.item()


def test_an_item_slice_keeps_its_positives_and_ranks_against_the_whole_catalogue():
    rng = np.random.default_rng(4)
    log = make_log([(u, int(i), int(rng.integers(i, 100))) for u in range(40) for i in rng.choice(90, 14, replace=False)])  # item i is born at i
    split = temporal_split(log, 0.5)
    model = Fixed(log, rng.permuted(np.tile(np.arange(log.n_items, dtype=np.float32), (log.n_users, 1)), axis=1))
    judged = judge(model, split)
    count = np.bincount(split.train.events.item, minlength=log.n_items)
    assert (count == 0).any() and (count == 1).any()
    for which, wanted in (("known", count > 0), ("new", count == 0)):
        kept = [positives[wanted[positives]] for positives in split.positives]
        some = [k for k, positives in enumerate(kept) if len(positives)]
        plain = plain_rows(replace(split, pairs=split.pairs.iloc[some], positives=[kept[k] for k in some]), model)
        found = judged.pairs[judged.pairs.item == which].sort_values(["user", "scene"])
        assert found.positives.tolist() == [len(kept[k]) for k in some] and len(some) > 20
        np.testing.assert_allclose(found[["ndcg10", "recall10", "recall100"]], plain[:, :3], atol=1e-12)


def test_positives_without_a_comparison_are_counted():
    log = make_log([(u, i, 10 * (i // 2) + u) for u in range(5) for i in range(6)])  # of the two late items each is asked, so none is free
    judged = judge(Fixed(log, np.zeros((log.n_users, log.n_items), np.float32)), temporal_split(log))
    whole = judged.pairs.query("item == 'all'")
    assert judged.uncompared == whole.positives[whole.pm_auc.isna()].sum() > 0


def test_the_facts_of_lists_by_hand():
    lists, scene = np.array([[0, 1], [0, -1], [4, 5]]), np.array([0, 0, 1])
    facts = list_facts(lists, scene, np.array([0, 0, 0, 0, 1, 1]), np.array([3, 0, 0, 0, 1, 2]))
    assert facts.loc[0].tolist() == pytest.approx([2 / 4, (-3 * 0 - 1 * 0 + 1 * 1 + 3 * 2) / (4 * 3), 1 / 3])  # shown 0, 0, 1 and 2 times
    assert facts.loc[1].tolist() == [1, 0, 0]


def test_consistency_is_the_same_persons_cosine_less_that_of_different_people():
    log = make_log([(u, i, 10 * (i // 2) + u) for u in range(2) for i in range(4)])
    pairs = pd.DataFrame({"user": [0, 1, 0, 1], "scene": [0, 0, 1, 1]})
    split, lists = replace(temporal_split(log), pairs=pairs), np.array([[0, 0], [1, 1], [2, 2], [3, 3]])
    themes = {"alike": [[1, 0], [0, 1], [1, 0], [0, 1]], "crossed": [[1, 0], [0, 1], [0, 1], [1, 0]], "all one": [[1, 0]] * 4}
    found = {name: consistency(replace(judgement(pairs.assign(ndcg10=0.0)), lists=lists), split, np.array(x, float)) for name, x in themes.items()}
    assert found == pytest.approx({"alike": 1, "crossed": -1, "all one": 0}, abs=1e-6)
    alone = replace(split, pairs=pairs.assign(user=[0, 1, 2, 3]))
    assert np.isnan(consistency(replace(judgement(pairs.assign(ndcg10=0.0)), lists=lists), alone, np.eye(4)))
