"""SASRec: self-attention over a person's history, in all scenes at once (Kang & McAuley, ICDM 2018)."""

from __future__ import annotations

import math
import os
import time
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from recsys_lib.data.log import InteractionLog
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.models.full_softmax import full_softmax
from recsys_lib.models.histories import Fitted, Histories, Reader, check_codes, whole
from recsys_lib.models.validation import ndcg10
from recsys_lib.training import has_bfloat16, release_memory

os.environ.setdefault("DNNL_PRIMITIVE_CACHE_CAPACITY", "128")
"""How many ready-made products PyTorch's oneDNN keeps on a processor, one for each shape of batch: of the 1,024 it would keep by itself, bfloat16 makes gigabytes. Read at its first use."""


class Dropout(nn.Module):
    """Dropout whose mask is made of random bytes: eight to one 64-bit draw, where PyTorch makes one draw a number on a processor. The share is rounded to 1/256."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.cut = min(255, round(256 * share))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any floating shape, same shape out."""
        if not self.training or not self.cut:
            return x
        drawn = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        keep = drawn.view(torch.uint8)[: x.numel()].view(x.shape) >= self.cut
        return x * keep.to(x.dtype).mul_(256 / (256 - self.cut))


class Block(nn.Module):
    """x + attention(norm x), then x + feed-forward(norm x): the paper's formula.

    The authors' code (``as_coded``) does something else: it adds norm x back, not x, and takes keys and values from x before its norm.
    """

    def __init__(self, dim: int, heads: int, dropout: float, as_coded: bool = False) -> None:
        super().__init__()
        self.heads, self.drop, self.as_coded = heads, Dropout(dropout), as_coded
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), self.drop, nn.Linear(dim, dim))

    def forward(self, x: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """x float [batch, length, dim]; visible bool [batch, 1, query, key]."""
        n, length, dim = x.shape
        normed, weight, bias = self.norm1(x), self.qkv.weight, self.qkv.bias
        if self.as_coded:
            every = torch.cat([F.linear(normed, weight[:dim], bias[:dim]), F.linear(x, weight[dim:], bias[dim:])], -1)
        else:
            every = self.qkv(normed)
        q, k, v = every.view(n, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, visible)
        x = (normed if self.as_coded else x) + self.drop(self.out(seen.transpose(1, 2).reshape(n, length, dim)))
        normed = self.norm2(x)
        return (normed if self.as_coded else x) + self.drop(self.feed(normed))


class Net(nn.Module):
    """Items and steps in, one state per step out."""

    def __init__(self, n_items: int, dim: int, blocks: int, heads: int, max_len: int, dropout: float, as_coded: bool = False) -> None:
        super().__init__()
        self.item, self.place = nn.Embedding(n_items + 1, dim, padding_idx=n_items), nn.Embedding(max_len + 1, dim)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.blocks = nn.ModuleList(Block(dim, heads, dropout, as_coded) for _ in range(blocks))
        self.norm, self.drop = nn.LayerNorm(dim), Dropout(dropout)
        for table in (self.item, self.place):
            nn.init.normal_(table.weight, std=0.02)
        self.item.weight.data[n_items] = 0

    def forward(self, item: torch.Tensor, step: torch.Tensor, newest: torch.Tensor) -> torch.Tensor:
        """int64 [batch, length] twice, [batch] → float [batch, length, dim]: row s is the mean state of the events of step s, or zero.

        ``newest`` is the newest step that predicts: the last one when scoring, the one before it in training.
        """
        x = self.drop(self.item(item) * math.sqrt(self.item.embedding_dim) + self.place((newest[:, None] - step).clamp(0, self.place.num_embeddings - 1)))
        earlier = (step[:, None, :] < step[:, :, None]) & (step[:, None, :] >= 0)
        visible = (earlier | torch.eye(step.shape[1], dtype=torch.bool, device=step.device))[:, None]
        for block in self.blocks:
            x = block(x, visible)
        n, length, dim = x.shape
        at = (step + 1 + (length + 1) * torch.arange(n, device=step.device)[:, None]).ravel()  # the step that an event belongs to; padding to one of its own
        total = x.new_zeros(n * (length + 1), dim).index_add_(0, at, self.norm(x).view(-1, dim).to(x.dtype))
        count = torch.bincount(at, minlength=len(total)).clamp(min=1).to(x.dtype)
        return (total / count[:, None]).view(n, length + 1, dim)[:, 1:]


class SASRec:
    """What comes next, given everything strictly earlier?

    *Input.* One sequence a person over all scenes, the last ``max_len`` events, item embedding plus a learned embedding
    of how many steps it lies back from the newest one that predicts. Events of one time (one day, in day-resolution
    data) share a step, so their order carries nothing.

    *Equal times.* In every block an event attends to itself and to events with a strictly smaller time; never to others
    of its own time. The state of a step is the mean over its events. It predicts every event of the *next* step, each
    with weight 1. At inference the state of the last step is used, so the whole history before T takes part.

    *Score.* <state, item embedding> + item bias. Without history the state is zero: the bias alone, a learned popularity.

    *Loss.* ``softmax``: cross-entropy over all items of the target's scene (Klenitskiy & Vasilev, RecSys 2023, find that
    with cross-entropy in place of its original binary loss, SASRec outperforms BERT4Rec). ``sampled``: the same, with the
    sum over the scene estimated from ``negatives`` items a batch, drawn with probability q ∝ (1 + count)^``alpha`` and weighed by
    1 / (negatives · q), that is, a log-q correction (Bengio & Senécal, 2008; Yi et al., RecSys 2019); a draw equal to
    the target is left out.

    Args:
        dim, blocks, heads, dropout: of the network; attention weights are not dropped. as_coded: see ``Block``. max_len: events a history.
        loss, negatives, alpha: see above; among tens of thousands of items draw thousands. per_scene: False lets all scenes' items compete in the loss.
        lr: step size of Adam. decay: the step size falls linearly to zero over ``epochs``. batch: people a step.
        epochs: passes (at most, with validation).
        patience: epochs without a better validation NDCG@10 before stopping. seed: everything random follows from it.
        device: ``None`` takes the GPU if there is one. amp: matrix products of training in bfloat16, for devices that multiply it faster; left
            out, with a warning, on a GPU that only emulates it.

    Attributes:
        net: the trained network. epochs_log: one dict an epoch (loss, seconds, ndcg10 if validated).
        best_epoch: the epoch whose weights are kept (the last one without validation).
    """

    log = Fitted()

    def __init__(
        self, dim: int = 64, blocks: int = 2, heads: int = 1, max_len: int = 50, loss: str = "softmax", negatives: int = 512,
        alpha: float = 0.5, per_scene: bool = True, dropout: float = 0.2, lr: float = 1e-3, batch: int = 128, epochs: int = 20,
        patience: int = 3, seed: int = 0, device: str | None = None, amp: bool = False, decay: bool = False, as_coded: bool = False,
    ) -> None:  # fmt: skip
        if loss not in ("softmax", "sampled"):
            raise BadData(f"loss is {loss!r}; use 'softmax' or 'sampled'.")
        if not 0 <= dropout < 1:
            raise BadData(f"dropout is {dropout}; it is the share that is left out, from 0 to less than 1.")
        if dim % heads or min(dim, blocks, heads, max_len, negatives, batch, epochs, patience, lr) <= 0:
            raise BadData(f"dim={dim} must be a multiple of heads={heads}, and every size, lr and epochs positive.")
        self.dim, self.blocks, self.heads, self.max_len, self.loss, self.negatives = dim, blocks, heads, max_len, loss, negatives
        self.alpha, self.per_scene, self.dropout, self.lr, self.batch, self.epochs = alpha, per_scene, dropout, lr, batch, epochs
        self.patience, self.seed, self.decay, self.as_coded = patience, seed, decay, as_coded
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.amp = amp and has_bfloat16(self.device)

    @whole
    def fit(self, log: InteractionLog, until: int | None = None, validation: object | None = None, show_progress: bool = False) -> SASRec:
        """Train on the events before ``until`` (all if None).

        Args:
            validation: a ``Split`` (``pairs``, ``positives``) inside training: stop early on its NDCG@10 and keep the best epoch.

        Raises:
            BadData: the log has no time, nobody has events at two different times, or validation has no questions.
            RecsysError: the loss is no longer a number.
        """
        self.log = log.before(until)
        self.past = Reader(Histories.of, self.log)
        start, item, step = self.past()
        oldest = np.maximum(start[:-1], start[1:] - self.max_len - 1)  # of what a batch reads of a person
        people = np.flatnonzero((np.diff(start) > 1) & (step[np.maximum(start[1:] - 1, 0)] > step[oldest]))
        if not len(people):
            raise BadData(f"nobody in {log.name} has events at two different times (time in {log.time_kind!r}), so there is no next item to learn.")
        scenes = [self.log.scene_items(s) for s in range(log.n_scenes)] if self.per_scene else [np.arange(log.n_items)]
        self._ranges = [(int(s[0]), int(s[-1]) + 1) for s in scenes if len(s)]
        self._draw = torch.from_numpy((1.0 + np.bincount(item[:-1], minlength=log.n_items)) ** self.alpha).to(self.device)
        random = np.random.default_rng(self.seed)
        self.epochs_log, best, kept = [], -1.0, None
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self.net = Net(log.n_items, self.dim, self.blocks, self.heads, self.max_len, self.dropout, self.as_coded).to(self.device)
            optimizer = torch.optim.Adam(self.net.parameters(), lr=self.lr, fused=True)
            for epoch in tqdm(range(1, self.epochs + 1), desc="SASRec", unit="epoch", disable=not show_progress):
                began = time.perf_counter()
                if self.decay:
                    optimizer.param_groups[0]["lr"] = self.lr * (1 - (epoch - 1) / self.epochs)
                fact = {"epoch": epoch, "loss": self._epoch(people, optimizer, random, epoch), "seconds": time.perf_counter() - began}
                self.epochs_log.append(fact)
                self.best_epoch = epoch
                if validation is not None:
                    fact["ndcg10"] = ndcg10(self, validation, seed=self.seed)
                    if not math.isfinite(fact["ndcg10"]):
                        raise BadData("validation has no questions, so no epoch can be called the best; give a split with pairs, or None.")
                    if fact["ndcg10"] > best:
                        best, kept = fact["ndcg10"], (epoch, deepcopy(self.net.state_dict()))
                    self.best_epoch = kept[0]
                    if epoch - kept[0] >= self.patience:
                        break
        if kept is not None:
            self.net.load_state_dict(kept[1])
        self.net.eval()
        return self

    def _epoch(self, people: np.ndarray, optimizer: torch.optim.Optimizer, random: np.random.Generator, epoch: int) -> float:
        self.net.train()
        size = np.minimum(np.diff(self.past().start)[people], self.max_len + 1)
        order = np.argsort(size + random.uniform(0, 3, len(size)), kind="stable")  # people of like length share a batch: little padding
        batches = [people[order[k : k + self.batch]] for k in range(0, len(order), self.batch)]
        total, count = 0.0, 0
        for number, k in enumerate(random.permutation(len(batches)), 1):
            item, step = (x.to(self.device) for x in self.past().batch(batches[k], self.max_len + 1, self.log.n_items))
            row, column = torch.nonzero(step > 0, as_tuple=True)  # every event that has something before it is a target
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
                loss = self._loss(self.net(item, step, step.amax(1) - 1)[row, step[row, column] - 1], item[row, column])
            value = loss.item()
            if not math.isfinite(value):
                raise RecsysError(f"SASRec: the loss is {value} at step {number} of epoch {epoch}; lr={self.lr} is probably too large.")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + value * len(row), count + len(row)
        release_memory()
        return total / max(count, 1)

    def _loss(self, state: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of target items int64 [n] given states float [n, dim]."""
        weight, bias, total = self.net.item.weight, self.net.bias, 0.0
        for first, end in self._ranges:
            mine = (target >= first) & (target < end)
            h, t = state[mine], target[mine]
            if not len(t):
                continue
            if self.loss == "softmax":
                total = total + full_softmax(h, weight[first:end], bias[first:end], t - first)
                continue
            share = self._draw[first:end] / self._draw[first:end].sum()
            drawn = torch.multinomial(share, self.negatives, replacement=True)
            shift = bias[first + drawn] - torch.log(self.negatives * share[drawn]).to(h.dtype)
            others = torch.addmm(shift, h, weight[first + drawn].T).masked_fill(first + drawn == t[:, None], -torch.inf)
            own = (h * weight[t]).sum(1) + bias[t]
            total = total + (torch.logaddexp(own, others.logsumexp(1)) - own).sum()
        return total / max(len(target), 1)

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of all items of a scene: float32 [len(users), items in scene].

        Args:
            users: int codes of people of the fitted log, or of ``history`` where it is given.
            scene: code of the scene.
            history: a log over the same items with the events to read instead of the fitted ones.
        """
        users, past = check_codes(users, self.log, history), self.past(history)
        items = torch.from_numpy(self.log.scene_items(scene)).to(self.device)
        self.net.eval()
        with torch.inference_mode():
            state = torch.zeros(len(users), self.dim, device=self.device)
            longest_last = np.argsort(past.start[users + 1] - past.start[users], kind="stable")  # histories of like length share a batch
            for part in np.split(longest_last, range(128, len(users), 128)):
                item, step = (x.to(self.device) for x in past.batch(users[part], self.max_len, self.log.n_items))
                state[part] = self.net(item, step, step.amax(1))[torch.arange(len(part)), step.amax(1).clamp(min=0)]
            return torch.addmm(self.net.bias[items], state, self.net.item.weight[items].T).cpu().numpy()
