"""Right answers and planted mistakes for the exercises of chapter 08."""

from __future__ import annotations

import re

import numpy as np

from recsys_lib.data.splits import hash64


def best(scores, items, seen, k):
    free = ~np.isin(items, seen)
    scores, items = scores[free], items[free]
    return items[np.lexsort((hash64(items), -scores))[:k]]


def cut_first(scores, items, seen, k):
    top = items[np.lexsort((hash64(items), -scores))[:k]]
    return top[~np.isin(top, seen)]


def catalogue_order(scores, items, seen, k):
    free = ~np.isin(items, seen)
    return items[free][np.argsort(-scores[free], kind="stable")[:k]]


def positions(scores, items, seen, k):
    free = np.flatnonzero(~np.isin(items, seen))
    return free[np.lexsort((hash64(items[free]), -scores[free]))[:k]]


def with_seen(scores, items, seen, k):
    return items[np.lexsort((hash64(items), -scores))[:k]]


def diverse(scores, sim, k, trade, of=np.max, sign=-1, again=False):
    taken = [int(np.argmax(scores))]
    while len(taken) < k:
        gain = trade * scores + sign * (1 - trade) * of(sim[:, taken], axis=1)
        if not again:
            gain[taken] = -np.inf
        taken.append(int(np.argmax(gain)))
    return taken


def rates(item, clicked, propensity, n_people, n_items):
    return np.bincount(item, clicked / propensity, n_items) / n_people


def per_show(item, clicked, propensity, n_people, n_items):
    return np.bincount(item, clicked, n_items) / np.maximum(np.bincount(item, minlength=n_items), 1)


def weighed_per_show(item, clicked, propensity, n_people, n_items):
    return np.bincount(item, clicked / propensity, n_items) / np.maximum(np.bincount(item, minlength=n_items), 1)


def search(query, x, centres, cell, width, k):
    some = np.flatnonzero(np.isin(cell, np.argsort(-(centres @ query))[:width]))
    return some[np.argsort(-(x[some] @ query))[:k]]


def in_place(query, x, centres, cell, width, k):
    centres *= -1
    cell[~np.isin(cell, np.argsort(centres @ query)[:width])] = -1
    some = np.flatnonzero(cell >= 0)
    return some[np.argsort(-(x[some] @ query))[:k]]


def everywhere(query, x, centres, cell, width, k):
    return np.argsort(-(x @ query))[:k]


def far_cells(query, x, centres, cell, width, k):
    return search(query, x, -centres, cell, width, k)


def by_distance(query, x, centres, cell, width, k):
    some = np.flatnonzero(np.isin(cell, np.argsort(((centres - query) ** 2).sum(1))[:width]))
    return some[np.argsort(-(x[some] @ query))[:k]]


def by_cosine(query, x, centres, cell, width, k):
    return search(query, x, centres / np.linalg.norm(centres, axis=1, keepdims=True), cell, width, k)


def by_a_loop(query, x, centres, cell, width, k):
    opened = sorted(range(len(centres)), key=lambda c: -(centres[c] @ query))[:width]
    return sorted((i for i in range(len(x)) if cell[i] in opened), key=lambda i: -(x[i] @ query))[:k]


def safe(title, most=60):
    text = title.replace('"', "'")
    while "<|" in text or "|>" in text:
        text = text.replace("<|", "").replace("|>", "")
    return '"' + " ".join(text.split())[:most] + '"'


def only_lines(title, most=60):
    text = " ".join(title.replace('"', "'").split("\n"))
    while "<|" in text or "|>" in text:
        text = text.replace("<|", "").replace("|>", "")
    return '"' + text[:most] + '"'


def once(title, most=60):
    return '"' + " ".join(title.replace('"', "'").replace("<|", "").replace("|>", "").split())[:most] + '"'


def worth(visit, wanted, clicked, propensity, n_visits, agree=True, weigh=True, visits=None, rows=False, mean=True):
    gain = (wanted if agree else 1) * clicked / (propensity if weigh else 1)
    each = np.bincount(visit, gain, n_visits)
    spread = gain.std() / np.sqrt(len(gain)) if rows else each.std() / (np.sqrt(n_visits) if mean else 1)
    return each.sum() / (visits or n_visits), spread


RIGHT = {"08-1": [best], "08-2": [diverse], "08-3": [rates], "08-4": [search, by_a_loop, in_place], "08-5": [safe], "08-6": [worth]}
WRONG = {
    "08-1": [(cut_first, "before you cut"), (catalogue_order, "smaller hash64"), (positions, "these are positions"), (with_seen, "has already"),
             (lambda s, i, seen, k: catalogue_order(s[::-1], i[::-1], seen, k), "smaller hash64")],
    "08-2": [(lambda s, m, k, t: diverse(s, m, k, t, of=np.mean), "mean similarity hides"), (lambda s, m, k, t: diverse(s, m, k, t, sign=1), "with a minus"),
             (lambda s, m, k, t: diverse(s, m, k, t, again=True, sign=0), "stands twice"), (lambda s, m, k, t: diverse(s, m, k, 1 - t), "trade = 1")],
    "08-3": [(per_show, "clicks per show"), (weighed_per_show, "divide by n_people")],
    "08-4": [(everywhere, "exact search"), (far_cells, "closed cell"), (lambda q, x, c, cell, w, k: search(q, x, c, cell, 2, k), "one open cell"),
             (lambda q, x, c, cell, w, k: np.argsort(-np.where(np.isin(cell, np.argsort(-(c @ q))[:w]), x @ q, -np.inf))[:k], "one open cell"),
             (by_distance, "differ in length"), (by_cosine, "differ in length")],
    "08-5": [(once, "look again"), (lambda t, most=60: f'"{t[:most]}"', "closes the quotation"), (lambda t, most=60: safe(t.replace('"', ""), most), "are not lost"),
             (only_lines, "white space"),
             (lambda t, most=60: safe(" ".join(t.split()), most) if "<| " not in t else '"a  b"', "tidy the white space after"),
             (lambda t, most=60: safe(t.replace("<", "").replace("|", "").replace(">", ""), most), "no control mark"), (lambda t, most=60: safe(t), "`most` characters"), (lambda t, most=60: safe(t[:most], most), "clean first"), (lambda t, most=60: safe(re.sub(r"<\|.*?\|>", "", t), most), "the words between them stay")],
    "08-6": [(lambda *x: worth(*x, agree=False), "would have shown"), (lambda *x: worth(*x, weigh=False), "not weighed"), (lambda *x: worth(*x, visits=x[1].sum()), "number of places"),
             (lambda *x: worth(*x, visits=len(np.unique(x[0]))), "is a visit as well"), (lambda *x: worth(*x, rows=True), "within each visit"), (lambda *x: worth(*x, mean=False), "root of n_visits")],
}  # fmt: skip
