"""Checks of chapter 05, profiles."""

from __future__ import annotations

import numpy as np

from recsys_lib.exercises import exercise

DAY = 86_400


@exercise("05-1")
def aged(answer):
    """A half-life profile as of a moment, from strictly earlier events, on real clock times."""
    v, start = np.array([[1.0, 0], [0, 1], [0, 1]]), 19_000.0
    got = np.asarray(answer(v.copy(), np.array([start, start + 30, start + 60]), 30, start + 60), float)
    if got.shape != (2,):
        return f"the result has shape {got.shape}; one vector as long as an item's, (2,), was asked for."
    if not np.isfinite(got).all():
        return "there are nan or inf: 2 ** day overflows for days since 1970. Count ages back from the moment, or from the last event."
    unit = got / max(np.linalg.norm(got), 1e-12)
    if np.allclose(unit, np.array([0.25, 1.5]) / np.hypot(0.25, 1.5), atol=1e-6):
        return "the event at the very moment of asking was counted; the past is strictly earlier."
    if np.allclose(unit, np.array([1, 0.5]) / np.hypot(1, 0.5), atol=1e-6):
        return "the older event weighs more; the weight falls with age, so the sign of the exponent is the wrong way round."
    if np.allclose(unit, np.array([np.exp(-2), np.exp(-1)]) / np.hypot(np.exp(-2), np.exp(-1)), atol=1e-6):
        return "after one half-life the weight should be one half, and exp(-age / h) is about .37 there; the base is 2, not e."
    if not np.allclose(unit, np.array([0.5, 1]) / np.hypot(0.5, 1), atol=1e-6):
        return "an event 30 days older than another should count half as much at a half-life of 30 days."
    if abs(np.linalg.norm(got) - 1) > 1e-6:
        return "the direction is right and the length is not 1."
    uneven = np.asarray(answer(v.copy(), start + np.array([0, 3, 40]), 10, start + 40), float)
    if uneven.shape != (2,) or not np.allclose(uneven, np.array([0.5**0.3, 1]) / np.hypot(0.5**0.3, 1), atol=1e-6):
        return "with events 3 days apart and a half-life of 10 days, the older one should count .81 times as much: the weight follows the days between them and the half-life that is given."
    long = np.asarray(answer(np.array([[4.0, 0], [0, 1], [0, 1]]), np.array([start, start + 30, start + 60]), 30, start + 60), float)
    if long.shape != (2,) or not np.allclose(long, np.array([2, 1]) / np.sqrt(5), atol=1e-6):
        return "a vector four times as long weighs four times as much: add the vectors as they are given, and scale only the sum to length 1."
    mixed = np.asarray(answer(np.array([[0, 1.0], [1, 1], [1, 0]]), np.array([start + 30, start + 60, start]), 30, start + 60), float)
    if mixed.shape != (2,) or not np.allclose(mixed, np.array([0.5, 1]) / np.hypot(0.5, 1), atol=1e-6):
        return "the days need not be in order, and then np.searchsorted finds the wrong events: compare each day with the moment."
    none = np.asarray(answer(v.copy(), np.array([start, start + 30, start + 60]), 30, start), float)
    if none.shape != (2,) or not np.allclose(none, 0):
        return "before the first event there is no past, and the profile is a vector of zeros; yours divides by nothing or looks ahead."
    return None


def _text(events, until, keep):
    return " ".join(title for title, time in events if keep(time, until))


@exercise("05-2")
def planted(answer):
    """A leak test that catches every leak and no honest profile; events are (title, time) pairs."""
    cases = {
        "honest": (lambda e, t: _text(e, t, lambda a, b: a < b), False),
        "honest and short": (lambda e, t: _text(e, t, lambda a, b: a < b)[-9:], False),
        "everything": (lambda e, t: _text(e, t, lambda a, b: True), True),
        "boundary": (lambda e, t: _text(e, t, lambda a, b: a <= b), True),
        "day": (lambda e, t: _text(e, t, lambda a, b: a // DAY <= b // DAY), True),
        "later": (lambda e, t: _text(e, t, lambda a, b: a != b), True),
        "count": (lambda e, t: f"{len(e)} things: " + _text(e, t, lambda a, b: a < b), True),
    }
    events = [("Green tea", 1 * DAY), ("Slow film", 3 * DAY + 100), ("Steam train", 5 * DAY)]
    got = {}
    for name, (make, _) in cases.items():
        verdict = answer(make, list(events), 4 * DAY + 50)
        if verdict is None or np.ndim(verdict) > 0:
            return "one truth value was asked for: True when the profile leaks."
        got[name] = bool(verdict)
    if got["honest and short"] and not got["honest"]:
        return "an honest profile that shows only the end of the past is called a leak: compare two profiles with each other, and do not ask what must stand in one."
    if all(got.values()) or got["honest"]:
        return "an honest profile, made of strictly earlier events, is called a leak: is your plant really at or after `until`?"
    if not any(got.values()):
        return "nothing is ever found, not even in a profile that reads everything: does the profile you look at contain the planted event?"
    if not got["boundary"]:
        return "a profile with `<=` in place of `<` was passed: plant at `until` itself, not only after it."
    if not got["day"]:
        return "a profile that reads up to the end of the day was passed: plant at `until` itself, not days after it."
    if not got["count"]:
        return "a profile that only *counts* the future was passed: the word does not stand in it, but it changes; compare with a profile made without the plant."
    if not got["later"]:
        return "a profile that reads what lies after `until`, but not at it, was passed: compare with a profile made from the past alone."
    return None


@exercise("05-3", none_counts=True)
def topics(answer):
    """Topics of an answer, or None."""
    got = answer("I would rather not say.")
    if got is not None:
        return f"an answer without a comma is no list and gives None, so that somebody can ask again, and not {got!r}."
    if answer("tea, Tea, tea ,TEA") is not None:
        return "one topic said four times is one topic, and fewer than two are off-format; compare without capitals and spaces."
    if answer("Likes: tea,") is not None:
        return "an answer that breaks off after a comma has one topic: what stands behind the comma is nothing."
    got = answer("Likes: tea, slow films, Tea, the sea.")
    if got is None:
        return "'Likes: tea, slow films, Tea, the sea.' has the right format and came back as None."
    got = [str(t) for t in got]
    if any("likes" in t.lower() for t in got):
        return "the opening 'Likes:' is part of the first topic; cut what stands up to the colon."
    if any(t.endswith(".") for t in got):
        return "the last topic carries the full stop of the sentence."
    other = answer("They enjoy: tea, rope.")
    if other is None or [str(t).lower() for t in other] != ["tea", "rope"]:
        return "from 'They enjoy: tea, rope.' the topics are tea and rope; cut what stands up to the colon, whatever its words are."
    if [t.lower() for t in got] != ["tea", "slow films", "the sea"]:
        return f"from 'Likes: tea, slow films, Tea, the sea.' the topics are tea, slow films and the sea, in this order; yours are {', '.join(got)}."
    got = answer("a, b, c, d, e, f, g, h")
    if got is None:
        return "'a, b, c, d, e, f, g, h' is a list as well and came back as None; the opening up to the colon need not be there."
    if len(got) != 6:
        return "at most six topics were asked for; an answer that runs on is cut."
    if len(answer("a, A, b, c, d, e, f") or []) != 6:
        return "'a, A, b, c, d, e, f' holds six topics, a to f; take repeats out before you cut, or they use up places."
    return None


@exercise("05-4")
def deletion(answer):
    """Delete an event and every stored text that was made from it; nothing else."""

    def prompt(events, person):
        return "; ".join(title for who, title in events if who == person)

    events = [("mira", "tea"), ("omar", "tea"), ("mira", "tent"), ("omar", "rope"), ("omar", "tent")]
    stored = {prompt(events, "mira"): "Likes tea and camping.", prompt(events, "omar"): "Likes tea, climbing and camping."}
    got = answer(list(events), dict(stored), "mira", "tent", prompt)
    if not isinstance(got, tuple | list) or len(got) != 2 or not hasattr(got[1], "keys"):
        return "return the events and the stored texts, in this order."
    left, texts = list(got[0]), dict(got[1])
    if ("mira", "tent") in left:
        return "the event is still there."
    if left != [e for e in events if e != ("mira", "tent")]:
        return "an event is gone, or has moved, that nobody asked to delete."
    if prompt(events, "mira") in texts:
        if len(texts) == 2:
            return "the text written from the deleted event is still stored, and it still says camping: make its prompt before you delete the event."
        return "the text written from the deleted event is still stored."
    if set(texts) - set(stored):
        return "what was written from the deleted event is still stored, whole or in part, under another key: delete the text with its key."
    if prompt(events, "omar") not in texts:
        return "Omar's text is gone, too; only Mira's was made from the deleted event. That his prompt holds the same title is his affair."
    try:
        left, texts = answer([*events, ("ines", "tent")], dict(stored), "ines", "tent", prompt)
    except KeyError:
        return "no text was written about Ines yet, and deleting her event stopped with a KeyError: remove the stored text only where there is one."
    if list(left) != events or dict(texts) != stored:
        return "no text was written about Ines yet: deleting her event should take that event and leave all stored texts."
    return None
