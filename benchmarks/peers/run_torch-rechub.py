"""torch-rechub: MMoE and PLE, a task a scene. Runs in torch-rechub's environment.

Its trainer wants the label of every task in every row; a row here has the label of its own scene only. So the loss below counts a row in its own scene's
tower, and the rest is the library's: the networks, the embeddings, and its trainer's optimiser (Adam, 0.001, decay 0.00001) and batches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import peer
import torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.multi_task import MMOE, PLE

NEGATIVES = 4


def network(kind: str, task: peer.Task, factors: int, dropout: float) -> torch.nn.Module:
    """As large as the examples of the library: experts of one layer, towers of one layer, a tower a scene."""
    features = [SparseFeature("user", task.n_users, factors), SparseFeature("item", task.n_items, factors)]
    n = len(np.unique(task.item_scene))
    experts, tower = {"dims": [16], "activation": "relu", "dropout": dropout}, {"dims": [8], "activation": "relu", "dropout": dropout}
    if kind == "MMoE":
        return MMOE(features, ["classification"] * n, n_expert=8, expert_params=experts, tower_params_list=[tower] * n)
    return PLE(features, ["classification"] * n, n_level=1, n_expert_specific=2, n_expert_shared=1, expert_params=experts, tower_params_list=[tower] * n)


def epoch(model: torch.nn.Module, task: peer.Task, step: Callable[[torch.Tensor], None], random: np.random.Generator, batch: int = 2048) -> None:
    """Every event once, each with ``NEGATIVES`` items of its own scene that are drawn uniformly."""
    first = np.searchsorted(task.item_scene, np.arange(task.item_scene.max() + 2))
    order, shape = random.permutation(len(task.user)), (len(task.user), NEGATIVES)
    drawn = random.integers(first[task.scene][:, None], first[task.scene + 1][:, None], shape)
    for part in np.split(order, range(batch, len(order), batch)):
        item = np.column_stack([task.item[part], drawn[part]])
        user, scene = (np.broadcast_to(x[part][:, None], item.shape).ravel() for x in (task.user, task.scene))
        chosen = model({"user": torch.from_numpy(user.copy()), "item": torch.from_numpy(item.ravel())})
        label = torch.zeros(item.shape).index_fill_(1, torch.tensor([0]), 1.0).ravel()
        step(torch.nn.functional.binary_cross_entropy(chosen[torch.arange(len(scene)), torch.from_numpy(scene.copy())], label))


def fit(kind: str, task: peer.Task, seed: int, factors: int, dropout: float, epochs: int) -> peer.Score:
    torch.manual_seed(seed)
    random, model = np.random.default_rng(seed), network(kind, task, factors, dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-5)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(epochs):
        model.train()
        epoch(model, task, step, random)
    model.eval()

    def score(users: np.ndarray, first: int, end: int) -> np.ndarray:
        item, scene = torch.arange(first, end), int(task.item_scene[first])
        with torch.inference_mode():
            return np.stack([model({"user": torch.full((end - first,), int(u)), "item": item})[:, scene].numpy() for u in users])

    return score


peer.run({"MMoE": partial(fit, "MMoE"), "PLE": partial(fit, "PLE")}, "torch-rechub")
