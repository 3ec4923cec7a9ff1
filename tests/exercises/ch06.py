"""Right answers and planted mistakes for the exercises of chapter 06."""

from __future__ import annotations

import numpy as np
import pandas as pd


def ranking(score, S, tie):
    return np.lexsort((tie, -(S * score)))


def gated(pools, gates, target):
    return (pools * gates[target]).sum(1)


def from_text(e, read, write, mean):
    r = e @ read.T
    return mean * (1 + (r[:, None] * r[None]) @ write.T)


def seesaw(before, after, scene):
    by = {int(s): float((after - before)[scene == s].mean()) for s in np.unique(scene)}
    return by, max(by.values()) > 1e-12 and min(by.values()) < -1e-12


def on_average(before, after, scene):
    return seesaw(before, after, scene)[0], (after - before).mean() < 0


def all_and_one(before, after, scene):
    by = seesaw(before, after, scene)[0]
    return by, (after - before).mean() > 0 and min(by.values()) < -1e-9


def signs_differ(before, after, scene):
    by = seesaw(before, after, scene)[0]
    return by, len(set(np.sign(np.round(list(by.values()), 9)).tolist())) > 1


def sums(before, after, scene):
    return {int(s): float((after - before)[scene == s].sum()) for s in np.unique(scene)}, True


def readings(e, read):
    r = e @ read.T
    return r[:, None], r[None]


def added(e, read, write, mean):
    a, b = readings(e, read)
    return mean * (1 + (a + b) @ write.T)


def without_one(e, read, write, mean):
    a, b = readings(e, read)
    return mean * ((a * b) @ write.T)


def swaps(x, prior, positive=True, once=True, flat=False, upside=False, sign=1, size=False, zero=False):
    i, j = np.triu_indices(len(x), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        S = sign * (prior[j] - prior[i]) / (x[i] - x[j])
        S = np.abs(S) if size else S
        S = 1 / S if upside else S
    S = S if flat else S[x[i] != x[j]]
    S = S[(S > 0) | (zero & (S == 0))] if positive else S
    return np.unique(S) if once else np.sort(S)


RIGHT = {"06-1": [ranking], "06-2": [gated], "06-3": [from_text], "06-4": [seesaw, lambda *a: [pd.Series(seesaw(*a)[0]), seesaw(*a)[1]]], "06-5": [swaps, lambda x, prior: swaps(x, prior).tolist()]}
WRONG = {
    "06-1": [(lambda x, S, tie: ranking(x, 1, tie), "sign of S was lost"), (lambda x, S, tie: ranking(x, 1, tie)[:: 1 if S >= 0 else -1], "ties round"),
             (lambda x, S, tie: np.argsort(-S * x, kind="stable"), "not the position"), (lambda x, S, tie: ranking(x, S or 1, tie), "all items tie"),
             (lambda x, S, tie: np.argsort(0.001 * tie - S * x), "a positive S changed the order")],
    "06-2": [(lambda p, g, t: (p * g[:, t]).sum(1), "exchanged"), (lambda p, g, t: (p * g[t].mean(1)[:, None]).sum(1), "one number for all"),
             (lambda p, g, t: (p * g[t]).mean(1), "so sum"), (lambda p, g, t: p[:, t] * g[t, t], "elsewhere has gates"), (lambda p, g, t: (p * g[t]).sum(2), "axis 1")],
    "06-3": [(added, "multiply them"), (without_one, "the 1 is missing")],
    "06-4": [(on_average, "hides it"), (sums, "take means"), (lambda b, a, s: seesaw(a, b, s), "turned round"), (lambda b, a, s: (seesaw(b, a, s)[0], True), "no seesaw"),
             (lambda b, a, s: (seesaw(b, a, s)[0], min(seesaw(b, a, s)[0].values()) < -1e-9), "every scene loses"), (lambda b, a, s: (seesaw(b, a, s)[0], (a - b).max() > 1e-9 and (a - b).min() < -1e-9), "one of scenes"),
             (lambda b, a, s: (by := seesaw(b, a, s)[0], max(by.values()) > 0 > min(by.values())), "by rounding"), (all_and_one, "whichever way"), (signs_differ, "neither gains nor loses")],
    "06-5": [(lambda x, p: swaps(x, p, positive=False), "only positive"), (lambda x, p: swaps(x, p, once=False), "stand once"), (lambda x, p: swaps(x, p, flat=True), "equal x"),
             (lambda x, p: swaps(x, p, upside=True), "upside down"), (lambda x, p: swaps(x, p)[::-1], "smallest S first"),
             (lambda x, p: swaps(x, p, sign=-1), "sign is turned"), (lambda x, p: swaps(x, p, size=True), "sign was lost"), (lambda x, p: swaps(x, p, zero=True), "meet at S = 0")],
}  # fmt: skip
