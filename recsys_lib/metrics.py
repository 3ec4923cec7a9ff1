"""Figures of one ranked list: ranks, NDCG, recall, popularity-matched AUC, the first k. What a whole judgement is made of.

The definitions are the evaluation contract's (the book's notation page). Positions stand in the order that breaks ties: see
:func:`~recsys_lib.data.splits.hash64`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from recsys_lib.data.log import NAME, InteractionLog
from recsys_lib.errors import BadData


def check_scores(scores: np.ndarray, users: np.ndarray, log: InteractionLog, scene: int) -> None:
    """Raise BadData unless ``scores`` has one number for each of ``users`` and each item of the scene."""
    asked = (len(users), len(log.scene_items(scene)))
    if scores.shape != asked:
        raise BadData(f"score returned shape {scores.shape} in scene {log.scenes[NAME][scene]!r}; {asked} were asked for.")
    if scores.dtype.kind not in "biuf":
        raise BadData(f"score returned values of type {scores.dtype} in scene {log.scenes[NAME][scene]!r}; give numbers, float32 as a rule.")
    if np.isnan(scores).any():
        raise BadData(f"score returned nan for user {users[np.isnan(scores).any(1)][0]} in scene {log.scenes[NAME][scene]!r}, where numbers were asked for; mend the model first.")


def as_float(scores: np.ndarray) -> np.ndarray:
    """Scores as they are told apart: float64 stays so, counts and half precision become at least float32."""
    return scores.astype(np.result_type(scores, np.float32), copy=False)


def ndcg(ranks: np.ndarray, k: int = 10) -> float:
    """NDCG@k with binary gains. ``ranks``: 0-based ranks of all positives. The ideal list has min(k, positives) hits."""
    gains = _gains(k)
    return float(gains[ranks[ranks < k]].sum() / gains[: min(k, len(ranks))].sum())


@cache
def _gains(k: int) -> np.ndarray:
    """What a hit on each of the first k places earns: float64 [k]."""
    return 1 / np.log2(np.arange(2, k + 2))


def list_ndcg(lists: np.ndarray, positives: Sequence[np.ndarray]) -> np.ndarray:
    """NDCG@k of lists of k places: what is not in its list has some rank of k or more, so a list's figure needs no other rank.

    Args:
        lists: item codes, best first: int64 [rows, k]; -1 for no item. positives: the item codes to find of each row; one at least.

    Returns:
        float64 [rows].

    Raises:
        BadData: not one list for each row of positives, or no row at all.
    """
    if len(lists) != len(positives) or not len(lists):
        raise BadData(f"there are {len(lists)} lists for {len(positives)} rows of positives; give one list for each row, and one row at least.")
    size, gains = np.array([len(p) for p in positives]), _gains(lists.shape[1])
    wanted = np.concatenate(positives)
    width = 1 + max(lists.max(), wanted.max())
    sought = np.sort(np.repeat(np.arange(len(size)), size) * width + wanted)
    shown = lists + np.arange(len(size))[:, None] * width
    hit = (lists >= 0) & (sought[np.minimum(np.searchsorted(sought, shown), len(sought) - 1)] == shown)
    return hit @ gains / np.cumsum(gains)[np.minimum(size, len(gains)) - 1]


def recall(ranks: np.ndarray, k: int) -> float:
    """Share of the positives among the first k. ``ranks``: 0-based ranks of all positives."""
    return np.count_nonzero(ranks < k) / len(ranks)


def rank_of(x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """0-based ranks of ``chosen`` positions in scores ``x`` [n], highest first; of equal scores the lower position is first."""
    if len(chosen) > 8:  # one sort is cheaper than many passes; sorting values is cheaper than sorting places
        ordered, mine = np.sort(x), x[chosen]
        low, high = np.searchsorted(ordered, mine, "left"), np.searchsorted(ordered, mine, "right")
        rank, tied = len(x) - high, np.flatnonzero(high - low > 1)
        if len(tied) > 8:
            rank[:] = np.argsort(np.argsort(-x, kind="stable"))[chosen]
        else:
            rank[tied] += np.array([np.count_nonzero(x[: chosen[t]] == mine[t]) for t in tied], np.int64)
        return rank
    return np.array([np.count_nonzero(x > x[j]) + np.count_nonzero(x[:j] == x[j]) for j in chosen], np.int64)


def matched_auc(x: np.ndarray, chosen: np.ndarray, free: np.ndarray, bins: np.ndarray, members: dict[int, np.ndarray]) -> np.ndarray:
    """For each chosen position, the share of free items of its popularity bin that score lower (ties ½); nan where none is.

    Args:
        x: scores [n]. chosen: positions of the positives. free: bool [n], neither seen nor positive. bins: int [n].
        members: the positions of each bin.
    """
    values = np.full(len(chosen), np.nan)
    of = bins[chosen]
    for b in np.unique(of):
        here, at = members[b], of == b
        others = x[here[free[here]]]
        if len(others) == 0:
            continue
        mine = x[chosen[at]]
        if len(mine) > 4:
            others.sort()
            low, high = np.searchsorted(others, mine, "left"), np.searchsorted(others, mine, "right")
        else:
            low, high = np.array([[np.count_nonzero(others < m), np.count_nonzero(others <= m)] for m in mine]).T
        values[at] = (low + high) / (2 * len(others))
    return values


def top_k(x: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores of each row of ``x`` [rows, n], best first; of equal scores the lower position.

    Returns:
        int64 [rows, k]; -1 where a row has fewer than k scores above -inf (a seen item has -inf).
    """
    best = np.full((len(x), k), -1)
    if x.shape[1] == 0:
        return best
    value, place = (part.numpy() for part in torch.from_numpy(x).topk(min(k + 1, x.shape[1])))
    there = min(k, x.shape[1])
    best[:, :there] = np.where(value[:, :there] > -np.inf, place[:, :there], -1)
    edge = value[:, there - 1]
    for row in np.flatnonzero(((value[:, 1:] == value[:, :-1]) & (value[:, 1:] > -np.inf)).any(1)):  # which of equals comes first is for us to say
        above = np.flatnonzero(x[row] > edge[row])
        above = above[np.argsort(-x[row, above], kind="stable")]
        level = np.flatnonzero(x[row] == edge[row])[: k - len(above)] if edge[row] > -np.inf else above[:0]
        best[row, : len(above) + len(level)] = np.concatenate([above, level])
    return best
