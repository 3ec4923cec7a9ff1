"""Checks of chapter 02: NDCG, a leak detector, sampled candidates, a paired interval over people."""

from __future__ import annotations

from math import comb, log2

import numpy as np

from recsys_lib.exercises import exercise


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6  # False for nan, too


@exercise("02-1")
def ndcg_by_hand(answer):
    """None if right, else one sentence that helps."""
    if not _near(answer([3, 1, 2], {3}), 1):
        return "A single positive in first place should give exactly 1; is your ideal gain that of min(k, positives) hits?"
    if not _near(answer([1, 3, 2], {3}), 1 / log2(3)):
        return "A single positive in second place should be worth less than in first; the discount of place i (from 0) is 1 / log2(i + 2)."
    if not _near(answer([1, 2, 3, 4], {4}, 3), 0):
        return "A positive below place k should earn nothing; do you stop after k places?"
    if not _near(answer([5, 6], {5, 6, 7}, 2), 1):
        return "Two places, two hits, three positives: that is the best possible list, so it should give 1; look at the ideal again."
    if not _near(answer([3], {3, 9}), 1 / (1 + 1 / log2(3))):
        return "One of two positives was found, in a list that is shorter than k; the best list would have had both, so this is less than 1."
    if not _near(answer([1, 3, 9, 2], {3, 9}), (1 / log2(3) + 1 / 2) / (1 + 1 / log2(3))):
        return "Two positives in places two and three: add up both gains and divide by those of the best list, places one and two."
    return None


@exercise("02-2")
def leak_detector(answer):
    """None if right, else one sentence that helps."""
    events = np.array([[1, 9], [0, 2], [2, 5], [0, 1], [1, 5]])  # item, time, in no order

    def honest(e):
        return np.bincount(e[e[:, 1] < 5, 0], minlength=3)

    def late(e):
        return np.bincount(e[e[:, 1] <= 5, 0], minlength=3)

    def whole(e):
        return np.bincount(e[:, 0], minlength=3)

    def swaps(e):  # the sum of the scores stays the same, only their owners change
        return np.array([1, 0, 0]) if e[:, 1].max() < 9 else np.array([0, 1, 0])

    def falls(e):  # the more future there is, the lower the score
        return -np.bincount(e[:, 0], minlength=3)

    def prior(e):  # honest, and never zero
        return honest(e) + 1

    if not answer(whole, events, 5):
        return "A system that counts all events reads the future, and your detector missed it."
    if answer(honest, events, 5):
        return "A system that counts only events before T is honest, and your detector accused it."
    if not answer(late, events, 5):
        return "An event at T itself belongs to the future; which side of the cut does your comparison put it on?"
    if not answer(swaps, events, 5):
        return "Two score arrays can have the same sum and still rank differently; compare them item by item."
    if not answer(falls, events, 5):
        return "A system whose scores *fall* with what comes later reads the future as well; look for any difference."
    if answer(prior, events, 5):
        return "A system that gives each item 1 before it counts the past is honest, and your detector accused it: compare the scores with and without the future, as they stand."
    return None


@exercise("02-3")
def first_among_sampled(answer):
    """None if right, else one sentence that helps."""
    if not _near(answer(0, 50, 10), 1):
        return "An item that nothing beats is always first, so the probability should be 1."
    if not _near(answer(45, 50, 10), 0):
        return "With only 5 weaker items, 10 candidates cannot avoid the stronger ones, so this should be 0; candidates are drawn without repetition."
    for better, n, m in ((1, 50, 10), (7, 50, 3), (20, 600, 20)):
        if not _near(answer(better, n, m), comb(n - better, m) / comb(n, m)):
            return f"For {better} better of {n} and {m} candidates your probability is off; are the candidates drawn without repetition?"
    return None


@exercise("02-4")
def paired_interval(answer):
    """None if right, else one sentence that helps."""
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(60), 5)
    hard = rng.normal(0, 1, 300)
    gap = np.repeat(rng.normal(0.1, 0.2, 60), 5)
    low, high = answer(users, hard + gap, hard)
    mean, width = gap.mean(), high - low
    right = 2 * 1.96 * gap[::5].std() / np.sqrt(60)
    if width < 0.1 * right:
        return "All your redraws have the same mean: draw people with replacement, as many as there are."
    if not low < mean < high:
        return "The interval should contain the observed mean of a - b; did you subtract in this order?"
    if width > 1.15 * right and width < 1.6 * right:
        return "Your interval is too wide for 95 %; take the quantiles .025 and .975 of the redrawn means."
    if width > 1.6 * right:
        return "Your interval is far too wide: a and b were measured on the same questions, so take the difference first and redraw the pairs together."
    if width < 0.7 * right:
        return "Your interval is too narrow: five rows of one person are not five witnesses, so redraw people, each with all their rows."
    if width < 0.88 * right:
        return "Your interval is too narrow for 95 %: take the quantiles .025 and .975 of the redrawn means, and let a person who is drawn twice count twice."
    rows = np.arange(60) % 9 + 1
    who = rng.permutation(np.repeat(np.arange(60), rows))
    gap = (0.02 * rows + rng.normal(0, 0.2, 60))[who] + rng.normal(0, 0.3, len(who))
    low, high = answer(who, gap, np.zeros(len(who)))
    pick = rng.integers(60, size=(4000, 60))
    reference = np.quantile(np.bincount(who, gap)[pick].sum(1) / rows[pick].sum(1), [0.025, 0.975])
    if not max(abs(low - reference[0]), abs(high - reference[1])) <= 0.11 * (reference[1] - reference[0]):
        return "Where people have one to nine rows, in any order, the interval is off: the mean is over rows, and a person who is drawn brings all of them."
    return None
