"""Judging: full-rank metrics by slice, and how sure we are.

Every test pair (user, scene) gets one ranked list over the *whole* catalogue of the scene, without the items seen in
training. The definitions are those of the evaluation contract in the book's notation page; sampled candidates are never used
(Krichene & Rendle, KDD 2020).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from recsys_lib.data.log import ITEM, SCENE, USER
from recsys_lib.data.splits import KINDS, Split, tie_order
from recsys_lib.errors import BadData
from recsys_lib.metrics import as_float, check_scores, matched_auc, ndcg, rank_of, recall, top_k

METRICS = ("ndcg10", "recall10", "recall100", "pm_auc")
SLICES = ("all", "known", "new")
DRAWS = 2_000


@dataclass(eq=False)
class Judgement:
    """What a system did on one split.

    Attributes:
        name: the system. protocol: the split's protocol in words. seconds: time spent in ``score``.
        pairs: one row a (pair, item slice): user, scene, person, item, positives (count), and the metrics.
        lists: item codes of the first 10, best first: int64 [pairs, 10], -1 where the catalogue ended; in order of ``split.pairs``.
        facts: per scene: coverage, gini, new_share, of the lists.
        uncompared: positives that had no item to be compared with in the matched AUC.
    """

    name: str
    protocol: str
    pairs: pd.DataFrame
    lists: np.ndarray
    facts: pd.DataFrame
    seconds: float
    uncompared: int

    def summary(self, metrics: Sequence[str] = METRICS, intervals: bool = True) -> pd.DataFrame:
        """Mean of the scenes' means by person kind and item slice, with n and 95 % intervals (``…_low``, ``…_high``). Raises BadData for an unknown metric."""
        rows = {}
        for metric in metrics:
            _has(self, metric)
        for key, part in self.pairs.groupby(["person", "item"], sort=False):
            row = {"n": len(part)}
            for metric in metrics:
                row[metric] = scene_mean(part, metric)
                if intervals:
                    row[metric + "_low"], row[metric + "_high"] = _interval(part, metric)
            rows[key] = row
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["person", "item"]).sort_index()

    def by_scene(self, metric: str = "ndcg10") -> pd.DataFrame:
        """Means of one metric by (person kind, item slice) and scene code. Raises BadData for an unknown metric."""
        _has(self, metric)
        return self.pairs.pivot_table(index=["person", "item"], columns="scene", values=metric)

    def slice(self, person: str, item: str) -> pd.DataFrame:
        """The rows of one person kind and one item slice. Raises BadData for a word that is neither."""
        for what, word, usual, here in (("person kind", person, KINDS, self.pairs.person), ("item slice", item, SLICES, self.pairs.item)):
            if word not in usual and word not in (own := here.unique()):
                raise BadData(f"there is no {what} {word!r}; there are {', '.join(dict.fromkeys((*usual, *own)))}.")
        return self.pairs[(self.pairs.person == person) & (self.pairs.item == item)]

    def value(self, metric: str = "ndcg10", person: str = "known", item: str = "known") -> float:
        """One figure: the mean of the scenes' means in one slice; nan where this split has no such pair. Raises BadData for an unknown metric or slice."""
        _has(self, metric)
        return scene_mean(self.slice(person, item), metric)


def judge(model: Any, split: Split, name: str | None = None, block: int = 256, progress: bool = False) -> Judgement:
    """Rank the whole catalogue for each test pair and measure.

    Args:
        model: fitted; ``score(users, scene) -> float [len(users), items in scene]``, higher is better.
        split: the questions. name: how tables call the system. block: pairs scored at once. progress: show a bar.

    Raises:
        BadData: the split asks nothing; the model is not fitted (NotFitted); scores of a wrong shape, or not a number.
    """
    if split.pairs.empty:
        raise BadData(f"this split ({split.protocol}) asks nothing; it has no event after training.")
    log, count = split.log, np.bincount(split.train.events[ITEM], minlength=split.log.n_items)
    seen, rows, seconds, lists = split.train.matrix(), [], 0.0, np.full((len(split.pairs), 10), -1)
    user, scene, kind = (split.pairs[c].to_numpy() for c in (USER, SCENE, "kind"))
    bar = tqdm(total=len(user), disable=not progress, desc=name or type(model).__name__)
    for s in np.unique(scene):
        items = log.scene_items(s)
        order = tie_order(items)  # columns in the order that breaks ties
        column = np.empty(len(items), np.int64)
        column[order] = np.arange(len(items))
        bins, counts = np.floor(np.log2(1 + count[items[order]])).astype(int), count[items[order]]
        members = {b: np.flatnonzero(bins == b) for b in np.unique(bins)}
        asked = np.flatnonzero(scene == s)
        for start in range(0, len(asked), block):
            part = asked[start : start + block]
            began = time.perf_counter()
            scores = np.asarray(model.score(user[part], int(s)))
            seconds += time.perf_counter() - began
            check_scores(scores, user[part], log, int(s))
            scores = as_float(np.take(scores, order, axis=1))
            for pair, x in zip(part, scores, strict=True):
                u, chosen = user[pair], column[split.positives[pair] - items[0]]
                gone = seen.indices[seen.indptr[u] : seen.indptr[u + 1]] - items[0]
                gone = column[gone[(gone >= 0) & (gone < len(items))]]
                x[gone] = -np.inf
                free = np.ones(len(x), bool)
                free[gone] = free[chosen] = False
                ranks = np.where(x[chosen] > -np.inf, rank_of(x, chosen), max(len(x), 100))  # what no list can hold is not found
                auc, fresh = matched_auc(x, chosen, free, bins, members), counts[chosen] == 0
                whole = _figures(ranks, auc)
                rows.append((u, s, kind[pair], "all", *whole))
                for which, take in (("known", ~fresh), ("new", fresh)):
                    if take.any():
                        rows.append((u, s, kind[pair], which, *(whole if take.all() else _figures(ranks[take], auc[take]))))
            best = top_k(scores, 10)
            lists[part] = np.where(best < 0, -1, items[order[best]])
            bar.update(len(part))
    bar.close()
    table = pd.DataFrame(rows, columns=["user", "scene", "person", "item", "positives", *METRICS, "uncompared"])
    uncompared = int(table.loc[table.item == "all", "uncompared"].sum())
    facts = list_facts(lists, scene, log.items[SCENE].to_numpy(), count)
    return Judgement(name or type(model).__name__, split.protocol, table.drop(columns="uncompared"), lists, facts, seconds, uncompared)


def _figures(ranks: np.ndarray, auc: np.ndarray) -> tuple[float, ...]:
    """Of some positives of one pair: their number, the METRICS, and how many had nothing to be compared with."""
    a = auc[~np.isnan(auc)]
    return len(ranks), ndcg(ranks), recall(ranks, 10), recall(ranks, 100), a.mean() if len(a) else np.nan, len(ranks) - len(a)


def list_facts(lists: np.ndarray, scene: np.ndarray, item_scene: np.ndarray, count: np.ndarray) -> pd.DataFrame:
    """Per scene: ``coverage`` (share of the catalogue that stands in some list), ``gini`` of how often items are shown
    (0: all alike, 1: one item takes all), ``new_share`` of the places given to items without training events.

    Args:
        lists: item codes [pairs, k], -1 for an empty place. scene: [pairs]. item_scene: [n_items]. count: training events [n_items].
    """
    rows = {}
    for s in np.unique(scene):
        shown = lists[scene == s]
        shown = shown[shown >= 0]
        times = np.sort(np.bincount(shown, minlength=len(item_scene))[item_scene == s])
        n = len(times)
        gini = ((2 * np.arange(1, n + 1) - n - 1) * times).sum() / (n * max(1, times.sum()))
        rows[int(s)] = {"coverage": (times > 0).mean(), "gini": gini, "new_share": (count[shown] == 0).mean() if len(shown) else np.nan}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("scene")


def consistency(judgement: Judgement, split: Split, vectors: np.ndarray) -> float:
    """Do one person's lists agree across scenes? Cosine between a person's list centroids in two scenes, minus the mean cosine
    between *different* people's centroids in the same two scenes. 0: the lists are no more alike than any two people's.

    Args:
        vectors: [n_items, d], what items are about: text vectors, or SceneWorld's true themes. Only pairs of full lists count.

    Returns:
        Mean over the pairs of scenes that share at least two people; nan where there are none.
    """
    full, values = (judgement.lists >= 0).all(1), []
    unit = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    centre = np.einsum("pkd->pd", unit[judgement.lists[full]])
    centre = centre / (np.linalg.norm(centre, axis=1, keepdims=True) + 1e-9)
    user, scene = split.pairs[USER].to_numpy()[full], split.pairs[SCENE].to_numpy()[full]
    for a in np.unique(scene):
        for b in np.unique(scene[scene > a]):
            _, at_a, at_b = np.intersect1d(user[scene == a], user[scene == b], return_indices=True)
            if len(at_a) > 1:
                x, y = centre[scene == a][at_a], centre[scene == b][at_b]
                same, n = (x * y).sum(), len(x)
                values.append(same / n - (x.sum(0) @ y.sum(0) - same) / (n * (n - 1)))
    return float(np.mean(values)) if values else float("nan")


def _has(judgement: Judgement, metric: str) -> None:
    """Raise BadData unless the judgement has this metric."""
    known = [column for column in judgement.pairs if column not in ("user", "scene", "person", "item", "positives")]
    if metric not in known:
        raise BadData(f"{judgement.name} has no metric {metric!r}; it has {', '.join(known)}.")


def scene_mean(pairs: pd.DataFrame, metric: str) -> float:
    """Average over pairs within a scene, then the unweighted mean of the scenes."""
    return float(pairs.groupby("scene")[metric].mean().mean())


def _draws(pairs: pd.DataFrame, values: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Scene means under ``draws`` resamplings of users: float64 [draws]. The same users and seed give the same draws."""
    ok = ~np.isnan(values)
    users, who = np.unique(pairs["user"].to_numpy(), return_inverse=True)
    _, where = np.unique(pairs["scene"].to_numpy(), return_inverse=True)
    shape, flat = (len(users), where.max() + 1), (who * (where.max() + 1) + where)[ok]
    total = np.bincount(flat, values[ok], np.prod(shape)).reshape(shape)
    n = np.bincount(flat, minlength=np.prod(shape)).reshape(shape).astype(float)
    rng, means = np.random.default_rng(seed), np.empty(draws)
    people = len(users)
    for at in range(0, draws, 100):
        rows = min(100, draws - at)
        drawn = rng.integers(people, size=(rows, people)) + people * np.arange(rows)[:, None]
        weight = np.bincount(drawn.ravel(), minlength=rows * people).reshape(rows, people)
        with np.errstate(invalid="ignore"):
            mean = (weight @ total) / (weight @ n)
            means[at : at + len(weight)] = np.nansum(mean, axis=1) / np.count_nonzero(~np.isnan(mean), axis=1)
    return means


def _interval(pairs: pd.DataFrame, metric: str, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of :func:`scene_mean`: low and high; nan where no pair has the metric."""
    means = _draws(pairs, pairs[metric].to_numpy(float), draws, seed)
    means = means[~np.isnan(means)]
    return tuple(np.quantile(means, [0.025, 0.975]).tolist()) if len(means) else (np.nan, np.nan)


def over_seeds(runs: Sequence[Judgement]) -> Judgement:
    """One judgement whose per-pair values are the means over the runs of several seeds; lists and facts are the first run's.

    Raises:
        BadData: no run, or runs that were asked different questions.
    """
    if not runs:
        raise BadData("there is no run to average; judge at least one.")
    first, asked = runs[0], ["user", "scene", "person", "item", "positives"]
    for run in runs[1:]:
        if not run.pairs[asked].equals(first.pairs[asked]):
            raise BadData(f"two runs of {first.name} were judged on different questions; judge all seeds on one split.")
    metrics = first.pairs.columns.difference(asked, sort=False)
    values = np.mean([run.pairs[metrics].to_numpy() for run in runs], axis=0)
    pairs = first.pairs.assign(**dict(zip(metrics, values.T, strict=True)))
    return Judgement(first.name, first.protocol, pairs, first.lists, first.facts, float(np.mean([r.seconds for r in runs])), first.uncompared)


def compare(a: Judgement, b: Judgement, metric: str = "ndcg10", person: str = "known", item: str = "known", draws: int = DRAWS, seed: int = 0) -> dict[str, float]:
    """Paired difference a - b in one slice: ``difference``, its 95 % interval ``low``, ``high`` (users redrawn, the same for both), ``relative``, ``n`` (pairs that have the metric).

    Raises:
        BadData: the two were not asked the same pairs; an unknown metric or slice, or one without a pair.
    """
    _has(a, metric), _has(b, metric)
    x, y = (j.slice(person, item).reset_index(drop=True) for j in (a, b))
    if not x[["user", "scene"]].equals(y[["user", "scene"]]):
        raise BadData(f"{a.name} and {b.name} were judged on different pairs; judge both on one split.")
    if x.empty:
        raise BadData(f"there is no pair of {person} persons and {item} items in this split.")
    x["gap"] = x[metric] - y[metric]
    mean, base, (low, high) = scene_mean(x, "gap"), scene_mean(y, metric), _interval(x, "gap", draws, seed)
    return {"difference": mean, "low": low, "high": high, "relative": mean / base if base else np.nan, "n": int(x["gap"].notna().sum())}


def scoreboard(judgements: Sequence[Judgement], metric: str = "ndcg10", slices: Sequence[tuple[str, str]] = (("known", "known"), ("known", "new"), ("withheld", "all"))) -> pd.DataFrame:
    """One row a system: mean, interval (``low``, ``high``) and ``n`` (pairs) of a metric in each slice, best in the first slice on top.

    Raises:
        BadData: nothing to compare, two systems of one name, an unknown metric or slice.
    """
    if not len(judgements) or not len(slices):
        raise BadData(f"there are {len(judgements)} judgements and {len(slices)} slices; a scoreboard needs one of each at least.")
    rows = {}
    for j in judgements:
        _has(j, metric)
        row: dict[tuple[str, str], float] = {}
        for person, item in slices:
            part = j.slice(person, item)
            low, high = _interval(part, metric) if len(part) else (np.nan, np.nan)
            found = {"mean": scene_mean(part, metric), "low": low, "high": high, "n": int(part[metric].notna().sum())}
            row |= {(f"{person} × {item}", name): value for name, value in found.items()}
        if j.name in rows:
            raise BadData(f"two judgements are called {j.name!r}; give judge a name for each.")
        rows[j.name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    table = table.astype({column: "Int64" for column in table.columns if column[1] == "n"})  # whole numbers, even in a table turned round
    return table.sort_values(table.columns[0], ascending=False)
