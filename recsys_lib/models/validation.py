"""One quick figure for early stopping. Reported figures come from :mod:`recsys_lib.evaluation`, not from here."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.data.log import SCENE, USER


def ndcg10(model: Any, split: Any, most: int = 2000, seed: int = 0) -> float:
    """NDCG@10 (binary gains, seen items removed) of at most ``most`` pairs drawn by ``seed``: mean of the scenes' means.

    Args:
        model: anything with ``score(users, scene)``.
        split: a ``Split``: ``train`` (a log, for the seen items), ``pairs`` and ``positives``.
    """
    pick = np.random.default_rng(seed).permutation(len(split.pairs))[:most]
    user, scene = (split.pairs[column].to_numpy()[pick] for column in (USER, SCENE))
    seen, gain, means = split.train.matrix(), 1 / np.log2(np.arange(2, 12)), []
    for s in np.unique(scene):
        here, first, values = scene == s, split.train.scene_items(s)[0], []
        for row, u, k in zip(np.array(model.score(user[here], s)), user[here], pick[here], strict=True):
            gone = seen.indices[seen.indptr[u] : seen.indptr[u + 1]] - first
            row[gone[(gone >= 0) & (gone < len(row))]] = -np.inf
            best = np.argpartition(-row, 10)[:10] if len(row) > 10 else np.arange(len(row))
            hit = np.isin(best[np.argsort(-row[best], kind="stable")], split.positives[k] - first)
            values.append(gain[: len(hit)][hit].sum() / gain[: min(10, len(split.positives[k]))].sum())
        means.append(np.mean(values))
    return float(np.mean(means))
