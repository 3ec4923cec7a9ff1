"""One quick figure for tuning and early stopping. Reported figures come from :mod:`recsys_lib.evaluation`, not from here."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.data.log import SCENE, USER
from recsys_lib.data.splits import Split, tie_order
from recsys_lib.metrics import as_float, check_scores, list_ndcg, top_k


def ndcg10(model: Any, split: Split, most: int = 2000, seed: int = 0) -> float:
    """NDCG@10 as the judge has it (whole catalogue, seen items removed, ties by hash) of at most ``most`` pairs drawn by ``seed``.

    Args:
        model: anything with ``score(users, scene)``.
        split: the questions, as a rule ``split.validation()`` of the split that is reported.

    Returns:
        The unweighted mean of the scenes' means; not a number where the split has no questions.

    Raises:
        BadData: scores of a wrong shape or type, or not a number.
    """
    pick = np.sort(np.random.default_rng(seed).permutation(len(split.pairs))[:most])
    user, scene = (split.pairs[column].to_numpy()[pick] for column in (USER, SCENE))
    means = []
    for s in np.unique(scene):
        items, here = split.train.scene_items(s), scene == s
        order = tie_order(items)
        scores = np.array(model.score(user[here], s))
        check_scores(scores, user[here], split.train, int(s))
        scores = as_float(scores)
        row, gone = split.train.items_of(user[here])
        inside = (gone >= items[0]) & (gone <= items[-1])
        scores[row[inside], gone[inside] - items[0]] = -np.inf
        best = top_k(np.take(scores, order, axis=1), 10)
        lists = np.where(best < 0, -1, items[order[best]])
        means.append(list_ndcg(lists, [split.positives[k] for k in pick[here]]).mean())
    return float(np.mean(means)) if means else float("nan")
