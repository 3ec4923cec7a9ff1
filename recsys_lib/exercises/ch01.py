"""Checks of chapter 01: density, overlap of people, a profile that forgets, new items, the overlap of a coin."""

from __future__ import annotations

import numpy as np

from recsys_lib.exercises import exercise

DAY = 86_400


def _near(a: object, b: float) -> bool:
    return abs(float(a) - b) < 1e-6


@exercise("01-1")
def density(answer):
    """Share of pairs with at least one event."""
    users, items = np.array([0, 0, 1, 3]), np.array([0, 2, 2, 4])
    got = answer(users, items, 4, 5)
    if _near(got, 4 / 15) or _near(got, 4 / 9):
        return "you divide by the people or items that occur; all of n_users × n_items pairs are possible."
    if not _near(got, 4 / 20):
        return f"four different pairs out of 4 × 5 should give 0.2, not {float(got):.4g}."
    got = answer(np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0]), 2, 2)
    if _near(got, 1.0):
        return "a pair that occurs three times fills one cell, not three; count different pairs."
    if not _near(got, 0.5):
        return f"two different pairs among 2 × 2, one of them three times over, should give 0.5, not {float(got):.4g}."
    if not _near(answer(np.array([0, 1]), np.array([2, 0]), 2, 3), 1 / 3) or not _near(answer(np.array([2, 0]), np.array([0, 1]), 4, 2), 1 / 4):
        return "two different pairs got the same number where you make one number of a pair: multiply the person by n_items, then add the item."
    return None


@exercise("01-2")
def people_overlap(answer):
    """Share of the smaller scene's people who are in the other one."""
    a, b = np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6, 7, 8])
    got = answer(a, b)
    if _near(got, 2 / 8):
        return "you divide by the union of both scenes; the question is about the people of the smaller scene."
    if _near(got, 2 / 6):
        return "you divide by the larger scene; take the one with fewer people."
    if not _near(got, 0.5):
        return f"two of the four people of the smaller scene are in both, which is 0.5, not {float(got):.4g}."
    got = answer(np.array([1, 1, 1, 1, 1, 1, 2]), np.array([1, 3, 4]))
    if _near(got, 1 / 3):
        return "the smaller scene is the one with fewer people, not the one with fewer events."
    if not _near(got, 0.5):
        return f"people 1 and 2 are in one scene, and 1, 3, 4 in the other: 0.5, not {float(got):.4g}; do you count events instead of people?"
    if not _near(answer(b, a), 0.5):
        return "swapping the two scenes should not change the answer."
    if not _near(answer(np.array([], int), b), 0.0) or not _near(answer(b, np.array([], int)), 0.0):
        return "an empty scene should give 0.0, whichever of the two it is."
    return None


@exercise("01-3")
def profile(answer):
    """Weighted theme shares from events strictly before now."""
    now = 1_000 * DAY
    got = np.asarray(answer(np.array([now - 10 * DAY, now - 10 * DAY, now - 10 * DAY]), np.array([0, 0, 2]), 4, now, 30.0), float)
    if got.shape != (4,):
        return f"the result should have one entry a theme, shape (4,), not {got.shape}; does a theme without events get its zero?"
    if not _near(got.sum(), 1):
        return f"the entries should sum to one; yours sum to {got.sum():.4g}."
    if not _near(got[0], 2 / 3) or not _near(got[2], 1 / 3):
        return f"of three equally old events two have theme 0, so its share is .667, not {got[0]:.3f}; `out[themes] += weight` adds once a theme, while np.add.at and np.bincount add once an event."
    got = np.asarray(answer(np.array([now - 30 * DAY, now - 60 * DAY]), np.array([0, 1]), 2, now, 30.0), float)
    if _near(got[0], 1 / (1 + np.exp(-1))):
        return "an event of age half_life should weigh one half, and yours weighs 1/e; use base ½."
    if _near(got[0], 1 / 3):
        return "older events should weigh less, not more; look at the sign of the age."
    if _near(got[0], 0.5):
        return "both events weigh the same here, though one is a half-life older; is the age in days?"
    if not _near(got[0], 2 / 3):
        return f"ages of one and two half-lives should give shares of 2/3 and 1/3, not {got[0]:.4g} and {got[1]:.4g}."
    got = np.asarray(answer(np.array([now - 7 * DAY, now - 17.5 * DAY]).astype(np.int64), np.array([0, 1]), 2, now, 7.0), float)
    if not _near(got[0], 0.5 / (0.5 + 0.5**2.5)):
        return f"with a half-life of 7 days, ages of 7 and 17.5 days weigh ½ and ½ to the power 2.5, so the first share is .739, not {got[0]:.3f}."
    got = np.asarray(answer(np.array([now - DAY, now + DAY]), np.array([0, 1]), 2, now, 30.0), float)
    if got[1] != 0:
        return "an event after `now` got into the profile; that is the future, keep it out."
    got = np.asarray(answer(np.array([now - DAY, now]), np.array([0, 1]), 2, now, 30.0), float)
    if got[1] != 0:
        return "an event at exactly `now` got in; strictly before means <, not <=."
    got = np.asarray(answer(np.array([now]), np.array([1]), 2, now, 30.0), float)
    if not np.array_equal(got, np.zeros(2)):
        return "someone without history should get all zeros; is there a division by zero?"
    return None


@exercise("01-4")
def new_share(answer):
    """Share of late events with items not seen before T."""
    items, times = np.array([7, 1, 0, 7, 0, 7]), np.array([8, 2, 5, 6, 1, 7])
    got = answer(items, times, 5)
    if _near(got, 1 / 2) or _near(got, 1 / 3):
        return "you count items, or divide by all events; count events, those from T on: three of the four late events are with item 7."
    if not _near(got, 3 / 4):
        return f"three of the four events from T on are with an item not seen before, so 0.75, not {float(got):.4g}."
    got = answer(np.array([0, 3, 3]), np.array([1, 5, 6]), 5)
    if not _near(got, 1):
        return f"an event at exactly T is late, not early; both late events are with a new item, so 1.0, not {float(got):.4g}."
    if not _near(answer(np.array([0, 1]), np.array([1, 2]), 5), 0.0):
        return "when nothing happens from T on the answer should be 0.0."
    return None


@exercise("01-5")
def expected_overlap(answer):
    """Expected people in both halves over expected people in one half."""
    if not _near(answer(np.array([1, 1, 1])), 0):
        return "a person with one event can never be in both halves; are you treating the two halves as independent?"
    got, n = answer(np.array([1, 2])), np.array([1, 2])
    if _near(got, (1 - 2 * 0.5**n).mean()):
        return "you divide by all people; some of them are not in the half at all."
    if _near(got, ((1 - 2 * 0.5**n) / (1 - 0.5**n)).mean()):
        return "that is the mean of each person's ratio; divide the two expected numbers instead."
    if not _near(got, 0.5 / 1.25):
        return f"for one person with one event and one with two, expect ½ person in both and 1¼ in one half, so 0.4, not {float(got):.4g}."
    if not 0.999 < float(answer(np.full(10, 40))) < 1 + 1e-6:
        return "people with forty events should nearly all be in both halves."
    return None
