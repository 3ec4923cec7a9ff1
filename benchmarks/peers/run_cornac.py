"""cornac: BPR and EASE. Runs in cornac's environment."""

from __future__ import annotations

import numpy as np
import peer
from cornac.data import Dataset
from cornac.models import BPR, EASE


def dataset(task: peer.Task, items: np.ndarray, seed: int) -> Dataset:
    """The events of ``items`` in cornac's own structure; a code is its own name."""
    pick = np.isin(task.item, items)
    uir = task.user[pick], np.searchsorted(items, task.item[pick]), np.ones(pick.sum())
    return Dataset(task.n_users, len(items), {u: u for u in range(task.n_users)}, {i: i for i in range(len(items))}, uir, seed=seed)


def bpr(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    model = BPR(num_threads=1, seed=seed, **setting).fit(dataset(task, np.arange(task.n_items), seed))
    return lambda users, first, end: model.u_factors[users] @ model.i_factors[first:end].T + model.i_biases[first:end]


def ease(task: peer.Task, seed: int, most: int, **setting: float) -> peer.Score:
    items, past = task.frequent(most), task.matrix()
    model = EASE(seed=seed, **setting).fit(dataset(task, items, seed))
    return peer.linear(past, items, np.asarray(model.B, np.float32))


peer.run({"BPR": bpr, "EASE": ease}, "cornac")
