"""Right and planted wrong answers of chapter 00."""

import numpy as np


def first(scores, k):
    return [int(j) for j in np.argsort(-np.asarray(scores, float), kind="stable")[:k]]


def first_lowest(scores, k):
    return list(np.argsort(scores)[:k])


def first_reversed(scores, k):
    return list(np.argsort(scores, kind="stable")[::-1][:k])


def person(vectors, history):
    if len(history) == 0:
        return np.zeros(vectors.shape[1])
    mean = vectors[list(history)].mean(0)
    return mean / np.linalg.norm(mean)


def person_unscaled(vectors, history):
    return vectors[list(history)].mean(0) if len(history) else np.zeros(vectors.shape[1])


def person_all(vectors, history):
    return vectors.mean(0) / np.linalg.norm(vectors.mean(0)) if len(history) else np.zeros(vectors.shape[1])


def person_from_nothing(vectors, history):
    rows = vectors[np.array(history, int)]
    return rows.sum(0) / max(1.0, np.linalg.norm(rows.sum(0))) + (np.nan if len(history) == 0 else 0)


def fresh(scores, seen, k):
    return [int(j) for j in np.argsort(-np.asarray(scores, float), kind="stable") if j not in set(seen)][:k]


def fresh_cut_first(scores, seen, k):
    return [j for j in first(scores, k) if j not in seen]


def fresh_not_removed(scores, seen, k):
    return first(scores, k)


def history(events, user, until):
    mine = events[(events.user == user) & (events.time < until)]
    return mine.sort_values("time", kind="stable").item.tolist()


def history_with_the_cut(events, user, until):
    return events[(events.user == user) & (events.time <= until)].sort_values("time").item.tolist()


def history_unsorted(events, user, until):
    return events[(events.user == user) & (events.time < until)].item.tolist()


def fresh_cut_wide(scores, seen, k):
    return [j for j in first(scores, k + len(seen)) if j not in seen]


def fresh_zeroed(scores, seen, k):
    scores = scores.copy()
    scores[seen] = 0
    return [j for j in first(scores, min(k, len(scores) - len(seen)))]


def fresh_in_any_order(scores, seen, k):
    return [int(j) for j in np.argsort(-scores) if j not in seen][:k]


def fresh_by_deleting(scores, seen, k):
    left = np.delete(np.arange(len(scores)), seen)
    return left[np.argsort(-scores[left], kind="stable")][:k]


def history_in_place(events, user, until):
    events.loc[events["time"] >= until, "user"] = -1
    return events[events["user"] == user].sort_values("time")["item"]


RIGHT = {"00-1": [first, lambda scores, k: sorted(range(len(scores)), key=lambda j: -scores[j])[:k], lambda scores, k: np.argsort(-scores, kind="stable")[:k]], "00-2": [person], "00-3": [fresh, fresh_by_deleting], "00-4": [history, history_in_place]}
WRONG = {
    "00-1": [(first_lowest, "lowest"), (first_reversed, "ties"), (lambda scores, k: first(scores, 2), "k = 3")],
    "00-2": [(person_unscaled, "length one"), (person_all, "not all items"), (person_from_nothing, "without a past"), (lambda v, h: person(v, h) if h else None, "without a past"),
             (lambda v, h: person(v, sorted(set(h))), "twice"), (lambda v, h: person(v, range(len(h))), "whatever the lengths")],
    "00-3": [(fresh_cut_first, "before you cut"), (fresh_not_removed, "was seen"), (lambda s, seen, k: [j for j in range(len(s)) if j not in seen][:k], "Sort the scores first"),
             (lambda s, seen, k: first(s, len(s))[len(seen) :][:k], "Sort the scores first"),
             (fresh_cut_wide, "once the seen items are out"), (fresh_zeroed, "may all be negative"), (fresh_in_any_order, "keep ties in order")],
    "00-4": [(lambda e, u, t: [9, 4, 7], "user and the moment"), (lambda e, u, t: list(dict.fromkeys(history(e, u, t))), "stands twice"), (history_with_the_cut, "time < until"), (history_unsorted, "Oldest first"), (lambda e, u, t: history_unsorted(e, u, t)[::-1], "Oldest first")],
}
