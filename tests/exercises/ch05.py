"""Right answers and planted mistakes for the exercises of chapter 05."""

from __future__ import annotations

import numpy as np

DAY = 86_400


def aged(vectors, days, half_life, moment, strict=True, sign=-1, base=2.0, scale=True, count_back=True, empty=True):
    past = days < moment if strict else days <= moment
    if not past.any() and empty:
        return np.zeros(vectors.shape[1])
    age = (moment - days[past]) if count_back else -days[past]
    with np.errstate(all="ignore"):
        total = (vectors[past] * (base ** (sign * age / half_life))[:, None]).sum(0)
        return total / np.linalg.norm(total) if scale else total


def aged_in_place(vectors, days, half_life, moment):
    weight = np.zeros_like(days)
    days -= moment
    weight[days < 0] = 2 ** (days[days < 0] / half_life)
    return weight @ vectors / max(np.linalg.norm(weight @ vectors), 1e-12)


def by_rank(vectors, days, half_life, moment):
    past = vectors[days < moment]
    total = (past * 0.5 ** np.arange(len(past))[::-1, None]).sum(0)
    return total / max(np.linalg.norm(total), 1e-12)


def cut_first(answer):
    parts = topics(answer, once=False, most=6) or []
    parts = list({p.lower(): p for p in parts})
    return parts if len(parts) > 1 else None


def lengths_first(vectors, days, half_life, moment):
    return aged(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), days, half_life, moment)


def searched(vectors, days, half_life, moment):
    n = np.searchsorted(days, moment)
    return aged(vectors[:n], days[:n], half_life, moment)


def leaks(make, events, until, when=0, compare=True, alone=True):
    plant = [*events, ("Zyxquort", until + when)]
    past = [event for event in events if event[1] < until] if alone else events
    return make(plant, until) != make(past, until) if compare else "Zyxquort" in make(plant, until)


def topics(answer, opening=True, stop=True, once=True, least=True, most=6, empty=False):
    if least and "," not in answer:
        return None
    parts = (answer.split(":")[-1] if opening else answer).split(",")
    parts = [(p.strip().rstrip(".") if stop else p.strip()) for p in parts]
    parts = parts if empty else [p for p in parts if p]
    if once:
        parts = list({p.lower(): p.lower() for p in parts})
    return parts[:most] if len(parts) > 1 or not least else None


def delete(events, stored, person, title, prompt, which="before"):
    old, left = prompt(events, person), [e for e in events if e != (person, title)]
    gone = {"before": [old], "after": [prompt(left, person)], "none": [], "all": list(stored), "title": [key for key in stored if title in key]}[which]
    return left, {k: v for k, v in stored.items() if k not in gone}


def delete_and_move(events, stored, person, title, prompt):
    old, left = prompt(events, person), [e for e in events if e != (person, title)]
    stored[prompt(left, person)] = stored.pop(old)
    return left, stored


def delete_what_must_be_there(events, stored, person, title, prompt):
    del stored[prompt(events, person)]
    return [e for e in events if e != (person, title)], stored


def delete_and_edit(events, stored, person, title, prompt):
    text, left = stored.pop(prompt(events, person), None), [e for e in events if e != (person, title)]
    return left, stored if text is None else stored | {prompt(left, person): text.replace(" and camping", "")}


def delete_in_place(events, stored, person, title, prompt):
    stored.pop(prompt(events, person), None)
    events.remove((person, title))
    return events, stored


RIGHT = {"05-1": [aged, aged_in_place], "05-2": [leaks], "05-3": [topics], "05-4": [delete, delete_in_place, lambda *a: list(delete(*a))]}
WRONG = {
    "05-1": [(lambda *a: aged(*a, strict=False), "strictly earlier"), (lambda *a: aged(*a, sign=1), "wrong way round"), (lambda *a: aged(*a, base=np.e), "base is 2"),
             (lambda *a: aged(*a, scale=False), "length is not 1"), (lambda *a: aged(*a, empty=False), "before the first event"),
             (lambda *a: aged(*a, count_back=False, base=2.0**60), "overflows"), (by_rank, "3 days apart"), (lambda v, d, h, m: aged(v, d, 30, m), "3 days apart"),
             (lengths_first, "only the sum"), (searched, "in order")],
    "05-2": [(lambda m, e, t: leaks(m, e, t, when=1), "plant at `until` itself"), (lambda m, e, t: leaks(m, e, t, when=-1), "honest profile"),
             (lambda m, e, t: leaks(m, e, t, compare=False), "only *counts*"), (lambda m, e, t: leaks(m, e, t, alone=False), "from the past alone"), (lambda m, e, t: leaks(m, e, t, when=3 * DAY), "plant at `until` itself"),
             (lambda m, e, t: False, "nothing is ever found"), (lambda m, e, t: True, "honest profile"),
             (lambda m, e, t: leaks(m, e, t) or not m([x for x in e if x[1] < t], t).startswith(e[0][0]), "compare two profiles")],
    "05-3": [(lambda a: topics(a, least=False), "no list"), (lambda a: topics(a, opening=False), "up to the colon"), (lambda a: topics(a, stop=False), "full stop"),
             (lambda a: topics(a, once=False), "one topic said four times"), (lambda a: topics(a, most=99), "at most six"), (lambda a: topics(a, empty=True), "breaks off"), (cut_first, "before you cut"),
             (lambda a: topics(a.replace("Likes:", ""), opening=False), "whatever its words"), (lambda a: None, "came back as None"),
             (lambda a: topics(a) or [], "and not []"), (lambda a: topics(a.partition(":")[2]), "need not be there")],
    "05-4": [(lambda *a: delete(*a, which="none"), "still stored"), (lambda *a: delete(*a, which="after"), "before you delete"), (lambda *a: delete(*a, which="all"), "Omar's text"), (lambda *a: delete(*a, which="title"), "the same title"),
             (lambda *a: delete(*a)[::-1], "in this order"), (delete_and_edit, "whole or in part"), (delete_and_move, "under another key"), (delete_what_must_be_there, "KeyError"), (lambda *a: (delete(*a)[0], {}) if a[2] == "ines" else delete(*a), "leave all stored texts")],
}  # fmt: skip
