"""cornac: BPR, EASE and SASRec. Runs in cornac's environment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import peer
from cornac.data import Dataset, SequentialDataset
from cornac.models import BPR, EASE, SASRec
from cornac.models.sasrec import recom_sasrec


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


def scores(model: SASRec, past: dict[int, np.ndarray], items: np.ndarray, task: peer.Task) -> peer.Score:
    """The products that cornac's own ``score`` makes of one person; an item without events and a person without a past have none."""
    import torch  # the other models do without

    asked = np.array([u for u in np.unique(task.ask_user) if u in past])
    row, seen = np.full(task.n_users, -1), np.full((len(asked), model.max_len), model.pad_idx)
    row[asked] = np.arange(len(asked))
    for k, u in enumerate(asked):
        last = past[u][-model.max_len :]
        seen[k, model.max_len - len(last) :] = last
    network = model.model.eval()
    with torch.no_grad():
        state = torch.cat([network._encode(block) for block in torch.from_numpy(seen).split(256)]).numpy()
        table = np.full((task.n_items, state.shape[1]), np.nan, np.float32)
        table[items] = network.item_emb.weight[: len(items)].numpy()
    state = np.vstack([state, np.full((1, state.shape[1]), np.nan, np.float32)])
    return lambda users, first, end: state[row[users]] @ table[first:end].T


def sasrec(task: peer.Task, seed: int, epochs: int | list[int], after: Callable[[int, peer.Score], None] | None = None, **setting: Any) -> peer.Score:
    """A person's events are one session. With a list of ``epochs``, ``after`` is given each of them and its scores, where cornac's fit would look at a validation."""
    items, stops, epoch = task.frequent(task.n_items), epochs if isinstance(epochs, list) else [epochs], count(1)
    order = np.argsort(task.user, kind="stable")  # the events are in order of time
    user, item = task.user[order], np.searchsorted(items, task.item[order])
    same = {u: u for u in np.unique(user).tolist()}
    data = SequentialDataset(len(same), len(same), len(items), same, same, {i: i for i in range(len(items))}, (user, item, np.ones(len(user))), user, task.time[order], seed=seed)
    past = {u: item[rows] for u, rows in data.sessions.items()}
    model = SASRec(n_epochs=max(stops), seed=seed, model_selection="best" if after else "last", val_eval_every=1, **setting)

    def each(*_: Any, **__: Any) -> None:
        if (done := next(epoch)) in stops:
            after(done, scores(model, past, items, task))

    recom_sasrec.val_score = each
    model.fit(data, data)
    return scores(model, past, items, task)


peer.run({"BPR": bpr, "EASE": ease, "SASRec": sasrec}, "cornac")
