"""Right answers and planted mistakes for the exercises of chapter 04."""

from __future__ import annotations

import numpy as np


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def pool(hidden, mask):
    return unit((hidden * mask[:, :, None]).sum(1))


def whitened(x, root=True, turn=True, centre=True, scale=True):
    x = x - x.mean(0) if centre else x
    if not turn:
        return x / x.std(0)
    variance, axes = np.linalg.eigh(np.cov(x.T, bias=True))
    return x @ axes / ((np.sqrt(variance) if root else variance) if scale else 1)


def read_for(v, history, items, each=True):
    if not len(history):
        return np.zeros(len(items))
    return unit(v[items]) @ unit((unit(v) if each else v)[history].mean(0))


def remembers(own, other):
    return float(np.mean((own > other) + 0.5 * (own == other)))


def sif(docs, table, a, rare=True, direction=True, centre=False, of_texts=False):
    count = np.bincount(np.concatenate(docs), minlength=len(table))
    p = count / count.sum() if not of_texts else np.array([np.mean([k in d for d in docs]) for k in range(len(table))])
    weight = a / (a + p) if rare else np.ones(len(table))
    v = np.stack([(weight[d, None] * table[d]).mean(0) for d in docs])
    if centre:
        return v - v.mean(0)
    first = np.linalg.svd(v, full_matrices=False)[2][0]
    return v - np.outer(v @ first, first) if direction else v


RIGHT = {"04-1": [pool], "04-2": [whitened, lambda x: whitened(x.astype(np.float32))], "04-3": [read_for], "04-4": [remembers], "04-5": [sif]}
WRONG = {
    "04-1": [(lambda h, m: unit(h.mean(1)), "padding was averaged in"), (lambda h, m: unit(h[:, 0]), "first token alone"),
             (lambda h, m: (h * m[:, :, None]).sum(1) / m.sum(1)[:, None], "length is not"), (lambda h, m: unit((h * m[:, :, None]).sum(2)), "axis 1")],
    "04-2": [(lambda x: whitened(x, centre=False), "mean of the result is not zero"), (lambda x: whitened(x, root=False), "square root, the spread"),
             (lambda x: whitened(x, turn=False), "still correlated"), (lambda x: whitened(x, scale=False), "their variances differ")],
    "04-3": [(lambda v, h, i: read_for(v, h, i, each=False), "ten times as long"), (lambda v, h, i: v[i] @ v[h].mean(0), "cannot exceed 1"),
             (lambda v, h, i: unit(v[i]) @ unit(unit(v)[h].mean(0)) if len(h) else np.full(len(i), np.nan), "without history")],
    "04-4": [(lambda a, b: float(np.mean(a > b)), "as a miss"), (lambda a, b: float(np.mean(a >= b)), "as a hit"), (lambda a, b: float((a - b).mean()), "pair by pair"), (lambda a, b: float(a.mean() > b.mean()), "pair by pair"),
             (lambda a, b: float("nan"), "pair by pair"), (lambda a, b: 0.625, "of three texts"), (lambda a, b: ((a > b) + 0.5 * (a == b)).sum() / 4, "of three texts")],
    "04-5": [(lambda *x: sif(*x, rare=False), "every token weighs the same"), (lambda *x: sif(*x, direction=False), "still there"),
             (lambda *x: sif(*x, centre=True), "without centring"), (lambda *x: sif(*x, of_texts=True), "share of all tokens")],
}  # fmt: skip
