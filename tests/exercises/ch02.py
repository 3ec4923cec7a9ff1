"""Right answers and planted mistakes for the exercises of chapter 02."""

from math import comb, log2

import numpy as np


def right_ndcg(ranked, positives, k=10):
    gain = sum(1 / log2(i + 2) for i, item in enumerate(ranked[:k]) if item in positives)
    return gain / sum(1 / log2(i + 2) for i in range(min(k, len(positives))))


def ideal_of_k(ranked, positives, k=10):
    return sum(1 / log2(i + 2) for i, item in enumerate(ranked[:k]) if item in positives) / sum(1 / log2(i + 2) for i in range(k))


def no_discount(ranked, positives, k=10):
    return sum(item in positives for item in ranked[:k]) / min(k, len(positives))


def no_cut(ranked, positives, k=10):
    return right_ndcg(ranked, positives, max(k, len(ranked)))


def right_detector(score, events, until):
    return not np.array_equal(score(events), score(events[events[:, 1] < until]))


def keeps_t(score, events, until):
    return not np.array_equal(score(events), score(events[events[:, 1] <= until]))


def compares_sums(score, events, until):
    return score(events).sum() != score(events[events[:, 1] < until]).sum()


def right_first(better, n, m):
    return comb(n - better, m) / comb(n, m)


def with_repetition(better, n, m):
    return (1 - better / n) ** m


def first_hit(ranked, positives, k=10):
    return next((1 / log2(i + 2) for i, item in enumerate(ranked[:k]) if item in positives), 0.0)


def ideal_of_found(ranked, positives, k=10):
    found = [i for i, item in enumerate(ranked[:k]) if item in positives]
    return sum(1 / log2(i + 2) for i in found) / max(1e-9, sum(1 / log2(i + 2) for i in range(len(found))))


def of_people(users, a, b):
    n = np.bincount(users)
    x, y = np.bincount(users, a) / n, np.bincount(users, b) / n
    return right_interval(np.arange(len(n)), x, y)


def right_interval(users, a, b, draws=1000, seed=0, level=0.95):
    rng, gap = np.random.default_rng(seed), a - b
    _, who = np.unique(users, return_inverse=True)
    total, n = np.bincount(who, gap), np.bincount(who)
    pick = rng.integers(len(n), size=(draws, len(n)))
    return np.quantile(total[pick].sum(1) / n[pick].sum(1), [(1 - level) / 2, (1 + level) / 2])


def redraws_rows(users, a, b, draws=1000, seed=0):
    return right_interval(np.arange(len(a)), a, b, draws, seed)


def unpaired(users, a, b, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    x, y = (v[rng.integers(len(v), size=(draws, len(v)))].mean(1) for v in (a, b))
    return np.quantile(x - y, [0.025, 0.975])


def loses_repeats(users, a, b):
    rng = np.random.default_rng(0)
    return np.quantile([(a - b)[np.isin(users, rng.choice(users.max() + 1, users.max() + 1))].mean() for _ in range(1000)], [0.025, 0.975])


RIGHT = {"02-1": [right_ndcg], "02-2": [right_detector], "02-3": [right_first], "02-4": [right_interval]}
WRONG = {
    "02-1": [(ideal_of_k, "min(k"), (no_discount, "discount"), (no_cut, "below place k"), (first_hit, "One of two"), (ideal_of_found, "One of two"), (lambda *x: float("nan"), "exactly 1")],
    "02-2": [(keeps_t, "at T itself"), (compares_sums, "item by item"), (lambda s, e, t: bool((s(e) > s(e[e[:, 1] < t])).any()), "*fall*"),
             (lambda s, e, t: bool(s(e[e[:, 1] >= t]).any()), "gives each item 1"), (lambda s, e, t: not np.array_equal(s(e), s(e[: np.searchsorted(e[:, 1], t)])), "is honest")],
    "02-3": [(with_repetition, "without repetition"), (lambda *x: float("nan"), "should be 1")],
    "02-4": [(redraws_rows, "redraw people"), (unpaired, "too wide"), (lambda *x: right_interval(*x, level=0.9), "too narrow for 95"), (lambda *x: right_interval(*x, level=0.99), "too wide for 95"),
             (of_people, "one to nine rows"), (lambda u, a, b: right_interval(np.cumsum(np.r_[True, u[1:] != u[:-1]]), a, b), "in any order"),
             (loses_repeats, "count twice"), (lambda u, a, b: ((a - b).mean() - 1e-9, (a - b).mean() + 1e-9), "with replacement")],
}
