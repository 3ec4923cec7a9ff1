"""Checks of chapter 00."""

import numpy as np
import pandas as pd

from recsys_lib.exercises import exercise


@exercise("00-1")
def first(answer):
    got = list(answer(np.array([0.1, 0.9, 0.5]), 2))
    if got == [0, 2]:
        return "That is the list of the lowest scores; the highest come first."
    if got != [1, 2]:
        return "For the scores .1, .9, .5 the first two are positions 1 and 2, in this order."
    if list(answer(np.array([1.0] * 20 + [2.0]), 3)) != [20, 0, 1]:
        return "For twenty scores of 1, then one of 2, and k = 3 the list is 20, 0, 1: of equal scores the earlier position comes first; does your sort keep ties in order?"
    if len(answer(np.array([3.0, 1.0]), 5)) != 2:
        return "With two scores and k = 5 the list has two places."
    return None


@exercise("00-2")
def person(answer):
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    got, empty = np.asarray(answer(vectors.copy(), [0, 1])), np.asarray(answer(vectors.copy(), []))
    if empty.shape != (2,) or not np.array_equal(empty, np.zeros(2)):
        return "A person without a past gets zeros of shape (d,); the mean of no rows is not a number."
    if got.shape != (2,):
        return f"The profile has shape (d,), here (2,); yours has {got.shape}."
    if np.allclose(got, [0.5, 0.5]):
        return "The mean is right; scale it to length one, or busy and quiet people cannot be compared."
    if not np.allclose(got, np.sqrt([0.5, 0.5])):
        return "Average the rows named in the history, not all items, then divide by the length of the mean."
    if not np.allclose(answer(np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]), [0, 2, 2]), np.array([7.0, 8.0]) / np.hypot(7, 8)):
        return "For the history 0, 2, 2 the rows 0 and 2 count, the second one twice; then divide by the length of the mean, whatever the lengths of the rows."
    return None


@exercise("00-3")
def fresh(answer):
    got = list(answer(np.array([5.0, 4.0, 3.0, 2.0]), [0], 2))
    if 0 in got:
        return "Position 0 was seen and still stands in the list."
    if len(got) < 2:
        return "The list came out short: take seen items out before you cut it to k places."
    if got != [1, 2]:
        return "Best first among what is left: for scores 5, 4, 3, 2 with 0 seen that is 1, then 2."
    if len(answer(np.array([5.0, 4.0, 3.0, 2.0]), [3], 2)) > 2:
        return "With position 3 seen, which would not have been in the list, more than k = 2 places came back: cut the list to k once the seen items are out."
    if list(answer(np.array([2.0, 5.0, 4.0, 5.0, 3.0, 5.0]), [3, 2], 3)) != [1, 5, 4]:
        return "Sort the scores first, the highest on top and the earlier of equals first; then leave out every position in seen, wherever it stands."
    if list(answer(np.array([-3.0, -5.0, -4.0]), [0], 2)) != [2, 1]:
        return "Scores may all be negative: a seen item that gets the score 0 is then the best of all, so leave it out of the list and let its score be."
    if list(answer(np.array([1.0, 2.0] * 20), [1], 19)) != list(range(3, 40, 2)):
        return "Of twenty equal scores the earlier position comes first, in this list as well; does your sort keep ties in order?"
    if list(answer(np.array([5.0, 4.0]), [0, 1], 2)) != []:
        return "When everything was seen there is nothing left to show: an empty list."
    return None


@exercise("00-4")
def history(answer):
    events = pd.DataFrame({"user": [1, 2, 1, 1, 1, 1], "item": [7, 8, 9, 4, 5, 9], "time": [30, 10, 20, 25, 40, 50]})
    got = list(answer(events.copy(), 1, 40))
    if 5 in got:
        return "The event at the cut itself is in your history; strictly earlier means time < until."
    if 8 in got:
        return "Another person's event is in your history."
    if got != [9, 4, 7]:
        return "Oldest first: sort by time, then read off the items."
    longer = list(answer(events.copy(), 1, 60))
    if longer == [9, 4, 7, 5]:
        return "An item that was taken twice stands twice in the history; list events, and do not take repeats out."
    if longer != [9, 4, 7, 5, 9] or list(answer(events.copy(), 2, 60)) != [8]:
        return "The answer does not follow the user and the moment that are given: until 60 user 1 has five events, and user 2 has one."
    return None
