"""Checks of chapter 03, baselines."""

from __future__ import annotations

import numpy as np

from recsys_lib.data.log import DAY
from recsys_lib.exercises import exercise


@exercise("03-1")
def recent_counts(answer):
    """Counts in the last days before T: start included, T itself not."""
    T = 100 * DAY
    time, item = np.array([10, 69, 70, 90, 99, 100, 101]) * DAY, np.array([0, 0, 1, 1, 2, 3, 3])
    got = np.asarray(answer(time.copy(), item.copy(), 5, T, 30), float)
    if got.shape != (5,):
        return f"the result has shape {got.shape}, and one count for each of the 5 items was asked for; items without events count 0."
    if got[3] > 0:
        return "an event at or after T was counted, and the future is not known yet: keep only time < T."
    if got[0] > 0:
        return "an event from before the window was counted: drop what is more than `days` days (of DAY seconds) older than T."
    if got[1] != 2:
        return "the event exactly `days` days (of DAY seconds) before T belongs to the window, and each event counts 1."
    if got[2] != 1:
        return "the event one day before T is missing; does the window end at T?"
    if np.asarray(answer(time, item, 5, T, 5), float).tolist() != [0, 0, 1, 0, 0]:
        return "with days = 5 only the event of the day before T is left; the window is `days` long, whatever it was before."
    edges = np.asarray(answer(np.array([T - 1, T - 30 * DAY - 1]), np.array([2, 0]), 5, T, 30), float)
    if edges[2] != 1:
        return "an event one second before T was left out: it belongs to the window; compare seconds with T and T - days * DAY, without rounding to days."
    if edges[0] > 0:
        return "an event one second before the window was counted: compare seconds with T and T - days * DAY, without rounding to days."
    quiet = np.asarray(answer(np.array([10 * DAY]), np.array([0]), 5, T, 30), float)
    if quiet.any():
        return "the window must end at T, not at the last event of the log: after a quiet month nothing is recent."
    return None


@exercise("03-2")
def cosine_of_items(answer):
    """Cosine between columns, zero diagonal, columns without people."""
    x = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], float)
    got = np.asarray(answer(x.copy()), float)
    if got.shape != (4, 4):
        return f"the result has shape {got.shape}; items by items, (4, 4), was asked for."
    if not np.isfinite(got).all():
        return "an item without any person gives nan or inf; its similarity to all others should be 0."
    if np.abs(np.diag(got)).max() > 1e-6:
        return "the diagonal should be 0: an item must not vote for itself."
    if np.abs(got[3]).max() > 1e-6 or np.abs(got[:, 3]).max() > 1e-6:
        return "an item that nobody took shares people with nothing, so its similarity to all others is 0."
    if abs(got[0, 1] - 2) < 1e-6:
        return (
            "these are raw counts of shared people, and bestsellers win every one; divide by the square root of the product of the sizes."
        )
    if abs(got[0, 1] - 2 / 8) < 1e-6:
        return "the square root is missing: divide by sqrt(size_i * size_j), the lengths of the two columns."
    if abs(got[0, 1] - 2 / np.sqrt(8)) > 1e-6 or abs(got[1, 2] - 0.5) > 1e-6 or abs(got[0, 1] - got[1, 0]) > 1e-6:
        return "two items of sizes 4 and 2 that share 2 people should have similarity 2 / sqrt(8), both ways."
    return None


@exercise("03-3")
def ease_weight(answer):
    """The closed form of EASE."""
    x = (np.random.default_rng(0).random((40, 6)) < np.linspace(0.2, 0.7, 6)).astype(float)
    p = np.linalg.inv(x.T @ x + 3 * np.eye(6))
    right = -p / np.diag(p)
    np.fill_diagonal(right, 0)
    got = np.asarray(answer(x.copy(), 3.0), float)
    if got.shape != (6, 6):
        return f"the result has shape {got.shape}; items by items, (6, 6), was asked for."
    if np.abs(np.diag(got)).max() > 1e-6:
        return "the diagonal should be 0, or each item explains itself and nothing is learned."
    if np.allclose(got, right.T, atol=1e-5):
        return "you divided each row by its own diagonal entry; column j is the equation of item j, so divide by P_jj."
    if np.allclose(got, -right, atol=1e-5):
        return "the sign is turned around: B_ij = -P_ij / P_jj."
    if not np.allclose(got, right, atol=1e-5):
        return "the values differ from -P_ij / P_jj with P the inverse of X'X + lam * I; is lam added to the diagonal, before the inverse?"
    return None


@exercise("03-4")
def next_steps(answer):
    """Transitions between consecutive distinct times."""
    got = answer([5, 7, 8, 6], [1, 2, 2, 3])
    if not hasattr(got, "keys"):
        return "a dictionary {(from, to): count} was asked for."
    got = dict(got)
    if (7, 8) in got or (8, 7) in got:
        return "7 and 8 have equal times, so neither follows the other."
    if (7, 5) in got:
        return "a key is (from, to), in this order: 5 comes before 7."
    if (5, 6) in got:
        return "5 to 6 is two steps; count only from one distinct time to the next."
    if (5, 8) not in got or (7, 6) not in got:
        return "a step leads from every item of one time to every item of the next: 5 to 8 and 7 to 6 are missing."
    if got != {(5, 7): 1, (5, 8): 1, (7, 6): 1, (8, 6): 1}:
        return "four transitions were expected for items 5, 7, 8, 6 at times 1, 2, 2, 3, each counted once."
    if dict(answer([1, 2, 1, 2], [1, 2, 3, 4])).get((1, 2)) != 2:
        return "1 to 2 happens twice in the sequence 1, 2, 1, 2 and should count 2."
    if dict(answer([4, 4, 9], [1, 5, 9])) != {(4, 4): 1, (4, 9): 1}:
        return "for items 4, 4, 9 at times 1, 5, 9 the steps are 4 to 4 and 4 to 9: the next time need not be one later, and a step may lead to the same item."
    return None


@exercise("03-5")
def choose_window(answer):
    """A window chosen on the last days before T, counted up to the start of these days."""

    def log(days):
        return np.repeat(np.array(list(days)) * DAY, [len(items) for items in days.values()]), np.concatenate(list(days.values()))

    T = 100 * DAY  # and the questions are those of days 90 to 99
    time, item = log({50: [3] * 5, 88: [1] * 3, 95: [3] * 4 + [2] * 7, 99: [3] * 4})
    got = answer(time.copy(), item.copy(), 5, T, (6, 60), 10)
    if np.ndim(got) or got not in (6, 60):
        return f"the answer is {got!r}; one of the windows, 6 or 60, was asked for."
    if got == 6:
        return "the 6-day window won by events that are among the questions: count up to the start of the last `days` days, and ask about what follows."
    if answer(np.append(time, np.full(60, T)), np.append(item, np.full(60, 1)), 5, T, (6, 60), 10) != 60:
        return "events at or after T changed the choice: the questions end before T."
    got = answer(*log({10: [3] * 9, 88: [1] * 4, 93: [2] * 6, 95: [1] * 3 + [2] * 2}), 5, T, (120, 30, 5), 10)
    if got == 120:
        return "all time won, though nobody took its bestseller in the last 10 days: judge each window by what came in the days before T."
    if got != 5:
        return "5 and 30 days name the same bestseller here: is the 5-day window the 5 days before the questions begin, and do you take the shortest of equals?"
    if answer(*log({50: [3] * 5, 88: [1] * 3, 90: [3] * 4, 95: [1] * 3}), 5, T, (6, 60), 10) != 60:
        return "an event at exactly T - days * DAY is a question, and is not counted: >= belongs to the questions and < to the counts."
    if answer(*log({50: [2] * 9, 88: [3] * 3 + [1] * 3, 95: [1] * 5 + [2] * 2}), 5, T, (6, 60), 10) != 6:
        return "two items have equal counts in the 6-day window here; of equals the bestseller is the smaller code."
    return None
