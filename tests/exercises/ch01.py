"""Right and wrong answers of chapter 01."""

import numpy as np

DAY = 86_400


def right_density(users, items, n_users, n_items):
    return len(set(zip(users.tolist(), items.tolist(), strict=True))) / (n_users * n_items)


def counts_repeats(users, items, n_users, n_items):
    return len(users) / (n_users * n_items)


def over_those_seen(users, items, n_users, n_items):
    return len(set(zip(users.tolist(), items.tolist(), strict=True))) / (len(set(users.tolist())) * len(set(items.tolist())))


def right_overlap(a, b):
    a, b = np.unique(a), np.unique(b)
    return len(np.intersect1d(a, b)) / min(len(a), len(b)) if len(a) and len(b) else 0.0


def union(a, b):
    a, b = set(a.tolist()), set(b.tolist())
    return len(a & b) / len(a | b)


def larger(a, b):
    a, b = set(a.tolist()), set(b.tolist())
    return len(a & b) / max(len(a), len(b))


def events_not_people(a, b):
    return np.isin(a, b).mean() if len(a) <= len(b) else np.isin(b, a).mean()


def empty_fails(a, b):
    a, b = set(a.tolist()), set(b.tolist())
    return len(a & b) / max(min(len(a), len(b)), 1) if a and b else 1.0


def make_profile(base=0.5, early=np.less, sign=1, normed=True, keep_all=False, day=DAY, empty=0.0):
    def profile(times, themes, n_themes, now, half_life):
        past = np.ones(len(times), bool) if keep_all else early(times, now)
        weight = base ** (sign * (now - times[past]) / day / half_life)
        out = np.bincount(themes[past], weights=weight, minlength=n_themes)
        return (out / out.sum() if normed else out) if past.any() else np.full(n_themes, empty)

    return profile


def short_profile(times, themes, n_themes, now, half_life):
    return np.bincount(themes) / len(themes)


def added_once(times, themes, n_themes, now, half_life):
    past, out = times < now, np.zeros(n_themes)
    out[themes[past]] += 0.5 ** ((now - times[past]) / DAY / half_life)
    return out / max(out.sum(), 1e-300)


def added_at(times, themes, n_themes, now, half_life):
    past, out = times < now, np.zeros(n_themes, np.float32)
    np.add.at(out, themes[past], (0.5 ** ((now - times[past]) / DAY / half_life)).astype(np.float32))
    return out / out.sum() if past.any() else out


def unweighted(times, themes, n_themes, now, half_life):
    return np.bincount(themes, minlength=n_themes) / len(themes)


def make_new(late=np.greater_equal, early=np.less, of_items=False):
    def new_share(items, times, T):
        last, first = items[late(times, T)], items[early(times, T)]
        last = np.unique(last) if of_items else last
        return (~np.isin(last, first)).mean() if len(last) else 0.0

    return new_share


def right_coin(n):
    return (1 - 2.0 ** (1 - n)).sum() / (1 - 0.5**n).sum()


def independent(n):
    return ((1 - 0.5**n) ** 2).sum() / (1 - 0.5**n).sum()


RIGHT = {"01-1": [right_density], "01-2": [right_overlap], "01-3": [make_profile(), added_at], "01-4": [make_new()], "01-5": [right_coin]}
WRONG = {
    "01-1": [(counts_repeats, "not three"), (over_those_seen, "that occur"), (lambda u, i, n, m: len(np.unique(u * n + i)) / (n * m), "two different pairs"), (lambda u, i, n, m: len(np.unique(i * m + u)) / (n * m), "two different pairs")],
    "01-2": [(union, "union"), (larger, "larger"), (events_not_people, "events"), (empty_fails, "empty"), (lambda a, b: right_overlap(a, b) if len(b) else 1.0, "whichever")],
    "01-3": [
        (make_profile(base=np.exp(-1)), "base ½"),
        (make_profile(early=np.less_equal), "strictly"),
        (make_profile(keep_all=True), "future"),
        (make_profile(sign=-1), "sign"),
        (make_profile(normed=False), "sum to"),
        (make_profile(empty=0.5), "all zeros"),
        (short_profile, "shape"),
        (added_once, "np.add.at"),
        (unweighted, "weigh the same"),
        (lambda times, themes, n, now, h: make_profile()(times, themes, n, now, 30.0), "half-life of 7"),
        (lambda times, themes, n, now, h: make_profile()(now - (now - times) // int(h * DAY) * int(h * DAY), themes, n, now, h) if len(times) > 1 and h < 30 else make_profile()(times, themes, n, now, h), "2.5"),
    ],
    "01-4": [(make_new(of_items=True), "count events"), (make_new(early=np.less_equal), "exactly T"), (lambda items, times, T: (~np.isin(items[(k := np.searchsorted(times, T)) :], items[:k])).mean(), "three of the four")],
    "01-5": [(independent, "independent"), (lambda n: (1 - 2.0 ** (1 - n)).mean(), "all people"), (lambda n: ((1 - 2.0 ** (1 - n)) / (1 - 0.5**n)).mean(), "each person's ratio")],
}
