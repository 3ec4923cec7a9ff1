"""Right answers and planted mistakes for the exercises of chapter 07."""

from __future__ import annotations

import numpy as np
import torch


def ignored(model, inputs, rows=slice(None), one=True, by=1):
    base, unread = model(*inputs), []
    for k in range(len(inputs)):
        swapped = [x.roll(by, 0) if j == k or not one else x for j, x in enumerate(inputs)]
        if torch.equal(model(*swapped)[rows], base[rows]):
            unread.append(k)
    return unread


def shuffled(model, inputs):
    base = model(*inputs)
    return [k for k in range(len(inputs)) if torch.allclose(base, model(*[x[torch.randperm(len(x))] if j == k else x for j, x in enumerate(inputs)]))]


def in_place(model, inputs):
    base, unread = model(*inputs), []
    for k, x in enumerate(inputs):
        x.copy_(x.roll(1, 0))
        if torch.equal(model(*inputs), base):
            unread.append(k)
    return unread


def sampled_loss(s, own, drawn, q, weight=lambda m, q: 1 / (m * q), keep=False, count_all=True):
    kept = drawn if keep else drawn[drawn != own]
    m = len(drawn) if count_all else len(kept)
    return np.log(np.exp(s[own]) + (np.exp(s[kept]) * weight(m, q[kept])).sum()) - s[own]


def right(score, label, at=0.0):
    return ((score > at) == (label > 0.5)).mean()


def step(w, g, lr, decay, decoupled, rate=True, before=True):
    total = g if decoupled or not before else g + decay * w
    new = w - lr * total / (np.abs(total) + 1e-8)
    return new - (lr if rate else 1) * decay * w if decoupled or not before else new


def stop(values, patience, slack=0):
    kept = 1
    for epoch, value in enumerate(values, 1):
        if value > values[kept - 1]:
            kept = epoch
        if epoch - kept >= patience + slack:
            return kept, epoch
    return kept, len(values)


def against_the_last(values, patience):
    waited = 0
    for epoch, value in enumerate(values, 1):
        waited = 0 if epoch == 1 or value > values[epoch - 2] else waited + 1
        if waited >= patience:
            break
    return int(np.argmax(values[:epoch])) + 1, epoch


def from_zero(values, patience):
    best, kept = 0, 0
    for epoch, value in enumerate(values, 1):
        if value > best:
            best, kept = value, epoch
        if epoch - kept >= patience:
            return kept, epoch
    return kept, len(values)


RIGHT = {"07-1": [ignored, shuffled], "07-2": [sampled_loss], "07-3": [right], "07-4": [step], "07-5": [stop]}
WRONG = {
    "07-1": [(in_place, "in a copy"), (lambda m, x: ignored(m, x, rows=slice(1)), "scores of all rows"), (lambda m, x: ignored(m, x, rows=slice(1), by=-1), "scores of all rows"), (lambda m, x: [k for k in range(3) if k not in ignored(m, x)], "ignore everything"),
             (lambda m, x: ignored(m, x, one=False), "one input at a time")],
    "07-2": [(lambda *a: sampled_loss(*a, weight=lambda m, q: np.ones(len(q))), "however seldom"), (lambda *a: sampled_loss(*a, weight=lambda m, q: m * q), "wrong sign"),
             (lambda *a: sampled_loss(*a, weight=lambda m, q: 1 / q), "number of draws is missing"), (lambda *a: sampled_loss(*a, keep=True), "counted twice"),
             (lambda *a: sampled_loss(*a, count_all=False), "m still counts"), (lambda *a: -sampled_loss(*a), "sign is turned")],
    "07-3": [(lambda s, y: ((s[:, None].argmax(1)) == y).mean(), "always 0"), (lambda s, y: right(s, y, 0.5), "threshold is off"), (lambda s, y: 1 - right(s, y), "all others say no"), (lambda s, y: y[s > 0].mean(), "all others say no"), (lambda s, y: (s > 0)[y > 0].mean(), "all others say no")],
    "07-4": [(lambda *a: step(*a, rate=False), "follow the schedule"), (lambda *a: step(*a, before=False), "before"), (lambda *a: step(*a[:3], a[3] if a[4] else 0, a[4]), "does not reach the weights"),
             (lambda w, g, lr, decay, by: step(w, g, lr, 0, by) * (1 - lr * decay) if by else step(w, g, lr, decay, by), "after the step")],
    "07-5": [(lambda v, p: (int(np.argmax(v)) + 1, len(v)), "future"), (lambda v, p: (stop(v, p)[1], stop(v, p)[1]), "keep the best"), (lambda v, p: stop(v, p, slack=1), "one epoch late"), (against_the_last, "with patience 2"), (lambda v, p: stop(v, p)[::-1], "comes first"), (from_zero, "not with 0")],
}  # fmt: skip
