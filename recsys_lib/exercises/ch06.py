"""Checks of chapter 06, scene fusion."""

from __future__ import annotations

import numpy as np

from recsys_lib.exercises import exercise


@exercise("06-1")
def ranking(answer):
    """Ranking by S · score, ties by a given order."""
    score, tie = np.array([0.3, -1.0, 2.0, 0.3, 0.9]), np.array([4, 1, 3, 0, 2])

    def got(s):
        out = np.asarray(answer(score.copy(), s, tie.copy()))
        return out.tolist() if out.shape == (5,) else out.shape

    one = got(1.0)
    if one == [2, 4, 0, 3, 1]:
        return "with S = 1 items 0 and 3 have one score; `tie` says who comes first (the smaller number), not the position."
    if one != [2, 4, 3, 0, 1]:
        return f"with S = 1 the ranking is {one}; five item positions were asked for, the highest score first, ties by the smaller `tie`."
    if got(1e-6) != one or got(50.0) != one:
        return "a positive S changed the order; multiply the scores by it and do nothing else."
    if got(-2.0) == one:
        return "S = -2 gave the same order as S = 1: the sign of S was lost, and a negative S must turn the ranking round."
    if got(-2.0) == one[::-1]:
        return "turning the list round also turns the ties round; rank the products anew, ties still by the smaller `tie`."
    if got(-2.0) != [1, 3, 0, 4, 2]:
        return "with S = -2 the lowest score should come first, ties by the smaller `tie`."
    if got(0.0) != [3, 1, 4, 2, 0]:
        return "with S = 0 all items tie, so `tie` alone should order them; is the list still ranked by something of the score?"
    return None


@exercise("06-2")
def gated(answer):
    """Gated sum of the pools for one target scene."""
    rng = np.random.default_rng(0)
    pools, gates = rng.normal(size=(4, 3, 5)), rng.normal(size=(3, 3, 5))
    got = np.asarray(answer(pools.copy(), gates.copy(), 2), float)
    if got.shape != (4, 5):
        return f"the result has shape {got.shape}; one vector a person, (4, 5), was asked for: the sum runs over the pools, axis 1."
    right = (pools * gates[2]).sum(1)
    if np.allclose(got, right, atol=1e-5):
        return None
    if np.allclose(got, (pools * gates[:, 2]).sum(1)):
        return "the two scenes are exchanged: the first axis of `gates` is the target scene, the second the pool the past lies in."
    if np.allclose(got, (pools * gates[2].mean(1)[:, None]).sum(1)):
        return "each pool got one number for all its dimensions; keep the gate's d numbers and multiply dimension by dimension."
    if np.allclose(got, right / 3):
        return "this is the mean over the pools; the gates hold the weights already, so sum."
    if np.allclose(got, pools[:, 2] * gates[2, 2]):
        return "only the past in the target scene itself was read; what the person did elsewhere has gates as well."
    return "the result is not the sum over the pools of gate times pool, for the gates of the target scene."


@exercise("06-3")
def from_text(answer):
    """Gates from descriptions by a product of two readings."""
    rng = np.random.default_rng(1)
    e, read, write, mean = rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=(5, 3)), rng.normal(size=5)
    got = np.asarray(answer(e.copy(), read.copy(), write.copy(), mean.copy()), float)
    if got.shape != (4, 4, 5):
        return f"the result has shape {got.shape}; one gate a pair of scenes, (4, 4, 5), was asked for."
    r = e @ read.T
    change = (r[:, None] * r[None]) @ write.T
    if np.allclose(got, mean * (1 + change), atol=1e-5):
        return None
    if np.allclose(got, mean * (1 + (r[:, None] + r[None]) @ write.T)):
        return "the two readings were added, and a sum cannot tell that two scenes have something in common; multiply them."
    if np.allclose(got, mean * change):
        return "where two scenes share nothing the gate should be the mean gate, not zero: the 1 is missing."
    if np.allclose(got, mean + change):
        return "the change is a factor on the mean gate: mean * (1 + change)."
    return "gate[target, source] should be mean * (1 + write of the product of the readings of target and source)."


@exercise("06-4")
def seesaw(answer):
    """Who gains, who loses: paired means by scene."""
    scene = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    before = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.4, 0.4, 0.5])
    after = before + np.array([0.1] * 6 + [-0.05, -0.15, 0.0])
    got = answer(before.copy(), after.copy(), scene.copy())
    if not isinstance(got, tuple | list) or len(got) != 2 or not hasattr(got[0], "keys"):
        return "return two things: a dict from scene to difference, and True or False."
    by, swings = dict(got[0]), got[1]
    if sorted(by) != [0, 1, 2]:
        return f"the dict has the keys {sorted(by)}; one entry for each scene that occurs was asked for."
    if np.isclose(by[0], -0.1) and np.isclose(by[1], 0.1):
        return "the signs are turned round: a gain is after minus before."
    if np.isclose(by[0], 0.6):
        return "these are sums; a scene with more pairs would look as if it gained more, so take means."
    if not (np.isclose(by[0], 0.1) and np.isclose(by[1], -0.1) and np.isclose(by[2], 0)):
        return "a scene's entry is the mean over its own pairs of after minus before."
    if not swings:
        return "scene 0 gains while scene 1 loses, which is a seesaw; the mean over all pairs is above zero and hides it."
    calm = answer(before.copy(), before + 0.1, scene.copy())
    if calm[1]:
        return "where every scene gains there is no seesaw; it takes at least one gain and at least one loss."
    if answer(before.copy(), before - 0.1, scene.copy())[1]:
        return "where every scene loses there is no seesaw; it takes at least one gain and at least one loss."
    uneven = before + np.array([0.3, 0.3, 0.3, 0.3, 0.3, -0.1, 0.2, -0.1, 0.1])
    if answer(before.copy(), uneven, scene.copy())[1]:
        return "single pairs lose here and every scene gains by its mean; the seesaw is one of scenes."
    still = np.array([0.1] * 6 + [0.2, -0.2, 0])  # in floating point the mean of scene 1 is 3e-17
    if answer(before.copy(), before + still, scene.copy())[1] or answer(before.copy(), before - still, scene.copy())[1]:
        return "a scene that neither gains nor loses makes no seesaw with one that does: a mean of zero, or of 3e-17 by rounding, is no loss and no gain."
    if not answer(before.copy(), before + np.array([0.1] * 6 + [-0.5, -0.5, -0.4]), scene.copy())[1]:
        return "scene 0 gains while the others lose, which is a seesaw, whichever way the mean over all pairs goes."
    return None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, atol=1e-5)


@exercise("06-5")
def where_they_swap(answer):
    """Positive S at which S · x + prior changes its order."""
    x, prior = np.array([2.0, 1.0, 1.0, 0.0, 3.0]), np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    got = np.asarray(answer(x.copy(), prior.copy()), float)
    right = np.array([0.5, 1.0, 1.5])  # three pairs meet at 1; (1, 2) never; the pairs with the last item at negative values
    if got.ndim != 1:
        return f"the result has shape {got.shape}; a list or a one-dimensional array of values of S was asked for."
    if not np.isfinite(got).all():
        return "there are nan or inf in the result: items with equal x never change places, so they give no value at all."
    if (got <= 0).any():
        return "only positive values of S were asked for; at a negative or zero crossing the two do not change places for any S > 0."
    if len(got) > len(right) and _same(np.unique(got.round(6)), right):
        return "each value should stand once: several pairs may meet at the same S, and a pair is the same in both orders."
    if _same(np.sort(got), right):
        level = np.asarray(answer(np.array([1.0, 2, 0]), np.array([1.0, 1, 3])), float)
        if not _same(np.sort(level), np.array([1, 2])):
            return f"for x = 1, 2, 0 and the priors 1, 1, 3 the values are 1 and 2, and yours are {level.round(3).tolist()}; items with one prior meet at S = 0, which is not positive."
        return None if np.allclose(got, right) else "the values are right and their order is not: the smallest S first."
    turned = np.array([1 / 3, 1, 1.25, 3])
    if _same(np.unique(got.round(6)), turned):
        return "the sign is turned: these values are where the negative S would be; S (x_i - x_j) = prior_j - prior_i, not prior_i - prior_j."
    if _same(np.unique(got.round(6)), np.unique(np.append(right, turned))):
        return "some pairs meet at a negative S, and there the sign was lost: keep the sign of the fraction, and drop what is not positive."
    if 0 < len(got) <= len(right) and _same(np.sort(1 / got), right[: len(got)]):
        return "your fractions are upside down: S (x_i - x_j) = prior_j - prior_i, and S is what is asked for."
    return "items i and j meet where S x_i + prior_i = S x_j + prior_j; solve this for S, for every pair with different x, and keep what is positive."
