"""BPR-MF: matrix factorisation that learns from pairs "this was chosen, that was not" (Rendle et al., UAI 2009)."""

from __future__ import annotations

import numpy as np
import torch
from tqdm.auto import tqdm

from recsys_lib.data.log import ITEM, SCENE, USER, InteractionLog
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.models.histories import Fitted, check_codes, whole


class BPRMF:
    """score(u, i) = <p_u, q_i> + b_i, trained so that a person's items score above items of the same scene they did not choose.

    For each event (u, i) an item j is drawn uniformly from *i's scene*, again where u has it too (at most five times), and
    -log σ(score(u, i) - score(u, j)) goes down by stochastic gradient descent, the update of the paper, in mini-batches:
    the gradients of a batch are summed, so ``lr`` keeps its meaning for one pair. The step shrinks from ``lr`` to nothing, epoch by epoch, so that the
    last draws of j no longer move what all of them together have taught.

    A person has one vector for all scenes. People without training events have the zero vector, so they get the item
    biases, a learned popularity. With ``history`` given the people are taken as unknown, whatever their codes, and get the
    biases too: a factorisation holds no vector for them.

    Args:
        dim: length of the vectors.
        lr: step size at first. reg: L2 weight on the vectors and biases of a pair. epochs: passes over the events.
        batch: events a mini-batch, at most: fewer where one person or item stands in so many of them that their summed steps would overshoot. seed: everything random follows from it.

    Attributes:
        people: float32 [n_users, dim]. things: float32 [n_items, dim]. bias: float32 [n_items].
        losses: mean loss of each epoch.
    """

    log = Fitted()

    def __init__(self, dim: int = 64, lr: float = 0.15, reg: float = 0.06, epochs: int = 40, batch: int = 1024, seed: int = 0) -> None:
        if min(dim, lr, epochs, batch) <= 0 or reg < 0:
            raise BadData(f"dim={dim}, lr={lr}, epochs={epochs}, batch={batch} must be positive and reg={reg} not negative.")
        self.dim, self.lr, self.reg, self.epochs, self.batch, self.seed = dim, lr, reg, epochs, batch, seed

    @whole
    def fit(self, log: InteractionLog, until: int | None = None, show_progress: bool = False) -> BPRMF:
        """Train on the events before ``until`` (all if None).

        Raises:
            BadData: there are no events.
            RecsysError: the loss has exploded, or is no longer a number.
        """
        self.log = log.before(until)
        events = self.log.events
        if not len(events):
            raise BadData(f"{log.name} has no events{'' if until is None else f' before {until}'}; nothing can be learned from it.")
        random = torch.Generator().manual_seed(self.seed)
        user = torch.as_tensor(events[USER].to_numpy(np.int64, copy=True))
        item = torch.as_tensor(events[ITEM].to_numpy(np.int64, copy=True))
        ends = np.searchsorted(log.items[SCENE].to_numpy(), np.arange(log.n_scenes + 1))
        scene = torch.as_tensor(events[SCENE].to_numpy(np.int64, copy=True))
        first, size = torch.as_tensor(ends[:-1])[scene], torch.as_tensor(np.diff(ends))[scene]
        taken = torch.sort(user * log.n_items + item).values

        drawn = np.bincount(scene, minlength=log.n_scenes) / np.maximum(np.diff(ends), 1)  # how often an item of each scene is the one not chosen
        often = np.bincount(item, minlength=log.n_items) + drawn[log.items[SCENE].to_numpy()]
        most = max(often.max(), np.bincount(user).max()) / len(user)  # the largest share of a batch with one and the same row in it
        batch = max(1, min(self.batch, int(1 / (self.lr * max(self.reg, 0.01) * most))))
        p = torch.randn(log.n_users, self.dim, generator=random) * 0.1
        q = torch.randn(log.n_items, self.dim, generator=random) * 0.1
        p[torch.bincount(user, minlength=log.n_users) == 0] = 0
        b = torch.zeros(log.n_items)
        self.losses = []
        for epoch in tqdm(range(self.epochs), desc="BPR-MF", unit="epoch", disable=not show_progress):
            step = self.lr * (1 - epoch / self.epochs)
            other, total = self._negatives(user, first, size, taken, log.n_items, random), 0.0
            for pick in torch.randperm(len(user), generator=random).split(batch):
                u, i, j = user[pick], item[pick], other[pick]
                pu, qi, qj = p[u], q[i], q[j]
                gap = (pu * (qi - qj)).sum(1) + b[i] - b[j]
                total += float(-torch.nn.functional.logsigmoid(gap).sum())
                pull = torch.sigmoid(-gap)[:, None]  # how wrong the order is: 1 fully, 0 not at all
                p.index_add_(0, u, pull * (qi - qj) - self.reg * pu, alpha=step)
                q.index_add_(0, i, pull * pu - self.reg * qi, alpha=step)
                q.index_add_(0, j, -pull * pu - self.reg * qj, alpha=step)
                b.index_add_(0, i, pull[:, 0] - self.reg * b[i], alpha=step)
                b.index_add_(0, j, -pull[:, 0] - self.reg * b[j], alpha=step)
            self.losses.append(total / len(user))
            if not self.losses[-1] < 10:  # not a number, too; a model of zeros has log 2
                raise RecsysError(f"BPR-MF: the loss of epoch {epoch + 1} is {self.losses[-1]:.3g}; lr={self.lr} is probably too large for reg={self.reg} and batch={batch}.")
        self.people, self.things, self.bias = p.numpy(), q.numpy(), b.numpy()
        return self

    @staticmethod
    def _negatives(user: torch.Tensor, first: torch.Tensor, size: torch.Tensor, taken: torch.Tensor, n_items: int, random: torch.Generator) -> torch.Tensor:
        """One item an event, uniform over its scene, drawn again where the person has it: int64 [n_events]."""
        other, again = torch.zeros_like(user), torch.arange(len(user))
        for _ in range(6):
            other[again] = first[again] + (torch.rand(len(again), generator=random, dtype=torch.float64) * size[again]).long()
            key = user[again] * n_items + other[again]
            at = torch.searchsorted(taken, key).clamp(max=len(taken) - 1)
            again = again[taken[at] == key]
        return other

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of all items of a scene: float32 [len(users), items in scene]; ``history``: see the class."""
        users = check_codes(users, self.log, history)
        items = self.log.scene_items(scene)
        if history is not None:
            return np.repeat(self.bias[None, items], len(users), 0)
        return self.people[users] @ self.things[items].T + self.bias[items]
