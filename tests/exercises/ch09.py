"""Right answers and planted mistakes for the exercises of chapter 09."""

from __future__ import annotations

import numpy as np


def cells(names, mask):
    return [(names[s], names[t]) for s, t in np.argwhere(mask)]


def negative(names, low, high):
    return cells(names, high < 0)


def opening_day(user, scene, time, new, T):
    return (time < T) & (scene != new)


def without_visitors(user, scene, time, new, T):
    return opening_day(user, scene, time, new, T) & ~np.isin(user, user[scene == new])


def takes_over(shots, a, b, scale=np.log1p, back=np.expm1, last=True, weight=lambda x, y: x / (x - y)):
    gap = np.array(b) - np.array(a)
    behind = np.flatnonzero(gap <= 0)
    if not len(behind):
        return shots[0]
    k = behind[-1] if last else np.flatnonzero((gap[:-1] <= 0) & (gap[1:] > 0))[0]
    if k == len(gap) - 1:
        return float("inf")
    x = scale(shots[k]) + (scale(shots[k + 1]) - scale(shots[k])) * weight(gap[k], gap[k + 1])
    return back(x)


def by_interp(shots, a, b):
    gap = b - a
    behind = np.flatnonzero(gap <= 0)
    if len(behind) == 0:
        return shots[0]
    return float("inf") if gap[-1] <= 0 else np.expm1(np.interp(0, gap[behind[-1] :][:2], np.log1p(shots[behind[-1] :][:2])))


def ties_ahead(shots, a, b):
    return shots[0] if (np.array(b) >= np.array(a)).all() else takes_over(shots, a, b)


def ties_ahead_unless_equal(shots, a, b):
    return takes_over(shots, a, b) if list(a) == list(b) else ties_ahead(shots, a, b)


def along_n(shots, a, b):
    return takes_over(shots, a, b, float, float)


def first_touch(shots, a, b):
    if b[-1] <= a[-1]:
        return float("inf")
    return takes_over(shots, a, b, last=False) if b[0] <= a[0] else shots[0]


def measured(shots, a, b):
    return next((n for k, n in enumerate(shots) if all(y > x for x, y in zip(a[k:], b[k:], strict=True))), float("inf"))


def touches(shots, a, b):
    return next((n for n, x, y in zip(shots, a, b, strict=True) if y > x), float("inf"))


def consistent(a, b):
    cos, n = a @ b.T, len(a)
    return np.trace(cos) / n - (cos.sum() - np.trace(cos)) / (n * (n - 1))


def among(x, scene, k, own=True, length=True, itself=True):
    out = np.empty_like(x)
    for i in range(len(x)):
        cos = x @ x[i]
        if own:
            cos[scene != scene[i]] = -np.inf
        if not itself:
            cos[i] = -np.inf
        near = [j for j in np.argsort(-cos)[:k] if cos[j] > -np.inf]
        mean = x[near].mean(0)
        out[i] = mean / np.linalg.norm(mean) if length else mean
    return out


RIGHT = {"09-1": [negative], "09-2": [opening_day], "09-3": [takes_over, by_interp], "09-4": [consistent], "09-5": [among]}
WRONG = {
    "09-1": [(lambda n, low, high: cells(range(3), high < 0), "list the names"), (lambda n, low, high: cells(n, low < 0), "holds zero"), (lambda n, low, high: cells(n, high <= 0), "exactly zero"), (lambda n, low, high: cells(n, low > 0), "is a gain"), (lambda n, low, high: [(b, a) for a, b in negative(n, low, high)], "exchanged")],
    "09-2": [(lambda u, s, t, new, T: s != new, "leaks"), (lambda u, s, t, new, T: t < T, "it has none"), (lambda u, s, t, new, T: ~((s == new) & (t >= T)), "it has none"),
             (lambda u, s, t, new, T: (s != new) & (t <= T), "strictly earlier"), (without_visitors, "keep its people's others"), (lambda u, s, t, new, T: (s != new) & (t < T) & np.isin(u, u[s == new]), "evening before who will")],
    "09-3": [(along_n, "along log(1 + n)"), (first_touch, "last crossing"), (measured, "interpolate"), (touches, "never takes over"), (ties_ahead, "none is ahead"), (ties_ahead_unless_equal, "at 9"),
             (lambda *x: takes_over(*x, weight=lambda x, y: 0.5), "whatever the gaps"), (lambda *x: takes_over(*x, weight=lambda x, y: y / (y - x)), "turned round"),
             (lambda n, a, b: 0 if (b > a).all() else takes_over(n, a, b), "shots[0] = 5")],
    "09-4": [(lambda a, b: np.trace(a @ b.T) / len(a), "perfectly consistent"), (lambda a, b: np.trace(a @ b.T) / len(a) - (a @ b.T).mean(), "diagonal")],
    "09-5": [(lambda x, s, k: among(x, s, k, own=False), "other scenes"), (lambda x, s, k: among(x, s, k, length=False), "length 1"), (lambda x, s, k: among(x, s, k, itself=False), "left out"), (lambda x, s, k: among(x, s, 3), "as many as `k` says")],
}  # fmt: skip
