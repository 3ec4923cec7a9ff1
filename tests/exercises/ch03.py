"""Right answers and planted mistakes for the exercises of chapter 03."""

from __future__ import annotations

from collections import Counter

import numpy as np

from recsys_lib.data.log import DAY


def recent(time, item, n_items, T, days):
    return np.bincount(item[(time < T) & (time >= T - days * DAY)], minlength=n_items)


def recent_in_place(time, item, n_items, T, days):
    time -= T
    return np.bincount(item[(time < 0) & (time >= -days * DAY)], minlength=n_items).tolist()


def with_the_future(time, item, n_items, T, days):
    return np.bincount(item[time >= T - days * DAY], minlength=n_items)


def of_all_time(time, item, n_items, T, days):
    return np.bincount(item[time < T], minlength=n_items)


def from_last_event(time, item, n_items, T, days):
    time, item = time[time < T], item[time < T]
    return np.bincount(item[time >= min(T - days * DAY, time.max())], minlength=n_items)


def in_days(time, item, n_items, T, days, first=1):
    age = (T - time) // DAY
    return np.bincount(item[(age >= first) & (time < T) & (age <= days)], minlength=n_items)


def cosine(x, root=True, diagonal=False, divide=True):
    size = np.maximum(x.sum(0), 1)
    both = np.outer(size, size)
    s = x.T @ x / ((np.sqrt(both) if root else both) if divide else 1)
    if not diagonal:
        np.fill_diagonal(s, 0)
    return s


def ease(x, lam, axis=0, diagonal=False, sign=-1):
    p = np.linalg.inv(x.T @ x + lam * np.eye(x.shape[1]))
    b = sign * (p / np.diag(p) if axis == 0 else p / np.diag(p)[:, None])
    if not diagonal:
        np.fill_diagonal(b, 0)
    return b


def next_steps(items, times):
    at, count = sorted(set(times)), Counter()
    for one, two in zip(at, at[1:], strict=False):
        count.update((i, j) for i, a in zip(items, times, strict=True) for j, b in zip(items, times, strict=True) if (a, b) == (one, two))
    return count


def choose(time, item, n_items, T, windows, days, until=0, after=False, longest=False, ordered=True, edge=0, largest=False):
    cut = T - days * DAY
    asked = item[(time >= cut + edge) & ((time < T) | after)]

    def worth(w):
        counts = np.bincount(item[(time < cut + until * DAY + edge) & (time >= cut + until * DAY - w * DAY)], minlength=n_items)
        return np.mean(asked == (n_items - 1 - counts[::-1].argmax() if largest else counts.argmax()))

    return max(sorted(windows, reverse=longest) if ordered else windows, key=worth)


RIGHT = {"03-1": [recent, recent_in_place], "03-2": [cosine], "03-3": [ease], "03-4": [next_steps], "03-5": [choose]}
WRONG = {
    "03-1": [(with_the_future, "time < T"), (of_all_time, "before the window"), (from_last_event, "must end at T"), (lambda t, i, n, T, d: recent(t, i, n, T, 30), "days = 5"),
             (lambda t, i, n, T, d: recent(t, i, n, T, d / DAY), "of DAY seconds) before T"), (lambda *x: in_days(*x), "one second before T"), (lambda *x: in_days(*x, first=0), "one second before the window")],
    "03-2": [(lambda x: cosine(x, diagonal=True), "vote for itself"), (lambda x: cosine(x, root=False), "square root is missing"),
             (lambda x: cosine(x.T), "has shape (5, 5)"), (lambda x: cosine(x, divide=False), "raw counts"), (lambda x: np.where(np.outer(x.any(0), x.any(0)) | np.eye(x.shape[1], dtype=bool), cosine(x), 1), "nobody took")],
    "03-3": [(lambda x, lam: ease(x, lam, axis=1), "P_jj"), (lambda x, lam: ease(x, lam, diagonal=True), "diagonal should be 0"),
             (lambda x, lam: ease(x, lam, sign=1), "sign")],
    "03-4": [(lambda items, times: next_steps(items[::-1], [-t for t in times[::-1]]), "in this order"), (lambda items, times: Counter(zip(items, items[1:], strict=False)), "equal times"),
             (lambda items, times: Counter((i, j) for i, a in zip(items, times, strict=True) for j, b in zip(items, times, strict=True) if a < b), "two steps"),
             (lambda items, times: Counter((i, j) for i, a in zip(items, times, strict=True) for j, b in zip(items, times, strict=True) if b == a + 1), "need not be one later"),
             (lambda items, times: {pair: n for pair, n in next_steps(items, times).items() if pair[0] != pair[1]}, "the same item")],
    "03-5": [(lambda *x: choose(*x, until=x[5]), "among the questions"), (lambda *x: choose(*x, after=True), "end before T"),
             (lambda *x: choose(*x, longest=True), "shortest of equals"), (lambda *x: choose(*x, ordered=False), "shortest of equals"), (lambda t, i, n, T, w, d: max(w), "all time won"),
             (lambda *x: choose(*x, edge=1), "exactly T - days * DAY"), (lambda *x: choose(*x, largest=True), "the smaller code")],
}  # fmt: skip
