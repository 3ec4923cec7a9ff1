"""Checks of chapter 04, language models as readers."""

from __future__ import annotations

import numpy as np

from recsys_lib.exercises import exercise


@exercise("04-1")
def pool(answer):
    """Masked mean over tokens, length 1."""
    hidden = np.array([[[3.0, 0], [0, 4], [9, 9]], [[1, 1], [2, 0], [3, 5]], [[0, 2], [7, 7], [7, 7]]])
    mask = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]])
    got = np.asarray(answer(hidden.copy(), mask.copy()), float)
    if got.shape != (3, 2):
        return f"the result has shape {got.shape}; one vector a text, (3, 2), was asked for. The sum runs over the tokens, axis 1."
    length = np.linalg.norm(got, axis=1)
    unit = got / np.maximum(length, 1e-9)[:, None]
    if np.allclose(unit[0], np.array([12, 13]) / np.hypot(12, 13), atol=1e-6):
        return "the padding was averaged in, so a short text depends on who shares its batch: multiply by the mask before you sum."
    if np.allclose(unit[0], [1, 0], atol=1e-6):
        return "this is the first token alone; the mean over all tokens that stand there was asked for."
    if not np.allclose(unit, [[0.6, 0.8], [np.sqrt(0.5)] * 2, [0, 1]], atol=1e-6):
        return "the direction of the vectors is not that of the mean over the tokens whose mask is 1."
    if not np.allclose(length, 1, atol=1e-6):
        return "the direction is right and the length is not: divide each vector by its own norm, so that an inner product is a cosine."
    return None


@exercise("04-2")
def whitened(answer):
    """Whitening: mean zero, covariance the identity."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) @ np.array([[5, 0, 0], [3, 1, 0], [0, 1, 0.3]]) + [10, -4, 2]
    got = np.asarray(answer(x.copy()), float)
    if got.shape != x.shape:
        return f"the result has shape {got.shape}; all {x.shape[1]} axes of all {len(x)} vectors were asked for. Did you multiply from the right?"
    if not np.isfinite(got).all():
        return "there are nan or inf in the result."
    if np.abs(got.mean(0)).max() > 1e-3:  # vectors in float32 leave that much
        return "the mean of the result is not zero: subtract the mean of the vectors before anything else."
    covariance = got.T @ got / len(got)
    if np.allclose(covariance, np.eye(3), atol=0.02):
        return None
    if np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-6 * np.abs(covariance).max()):
        spread = np.sort(np.diag(covariance)) * np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
        if np.allclose(spread, 1, atol=0.02):
            return "you divided by the variance, and now the small axes are the large ones; divide by its square root, the spread."
        return "the axes are no longer correlated, but their variances differ: divide each axis by the square root of its variance."
    if np.allclose(np.diag(covariance), 1, atol=0.02):
        return "each column has variance 1, but the columns are still correlated: turn into the principal axes before you scale."
    return "the covariance of the result is not the identity; are variances and axes those of the centred vectors, and the axes the columns of what `np.linalg.eigh` returns?"


@exercise("04-3")
def read_for(answer):
    """Text-kNN with items of different lengths, and an empty history."""
    v = np.array([[10.0, 0], [0, 1], [0, 1], [3, 3], [-1, 0]])
    got = np.asarray(answer(v.copy(), np.array([0, 1, 2]), np.array([3, 4])), float)
    if got.shape != (2,):
        return f"the result has shape {got.shape}; one score for each of the 2 items was asked for."
    if np.abs(got).max() > 1 + 1e-6:
        return "a cosine cannot exceed 1; scale the profile and the items to length 1."
    right = np.array([3, -1]) @ np.diag([1 / np.sqrt(2), 1]) / np.sqrt(5)
    if np.allclose(got, np.array([12, -10]) @ np.diag([1 / np.sqrt(2), 1]) / np.sqrt(104), atol=1e-6):
        return "the first item is ten times as long as the others and decides the profile alone: scale the items to length 1 before you average them."
    if not np.allclose(got, right, atol=1e-6):
        return "the scores are not the cosines between each item and the mean of the history's length-1 vectors."
    nothing = np.asarray(answer(v.copy(), np.array([], int), np.array([3, 4])), float)
    if nothing.shape != (2,) or not np.allclose(nothing, 0):
        return "a person without history should score 0 everywhere, so that a prior can decide; the mean of nothing is nan."
    return None


@exercise("04-4")
def remembers(answer):
    """Is an answer likelier after its own start than after another? Ties count half; answers' own likelihood must cancel."""
    own, other = np.array([-1.0, -30, -8, -5]), np.array([-2.0, -90, -6, -5])
    got = answer(own, other)
    if not np.isscalar(got) and np.ndim(got) > 0:
        return "one number was asked for, a share between 0 and 1."
    if abs(float(got) - 0.5) <= 1e-6:
        return "the pair that ties was counted as a miss; count a tie as one half, or silence looks like forgetting."
    if abs(float(got) - 0.75) <= 1e-6:
        return "the pair that ties was counted as a hit; count a tie as one half, or a model that knows nothing looks as if it knew all."
    if not abs(float(got) - 0.625) <= 1e-6:  # nan is not near anything
        return "compare pair by pair: of four texts, two are likelier after their own start, one ties, one is not; what share is that?"
    third = answer(np.array([-1.0, -7, -3]), np.array([-2.0, -4, -1]))
    if not abs(float(third) - 1 / 3) <= 1e-6:
        return f"of three texts one is likelier after its own start, which is a third, and your answer was {float(third):.4g}; use the arrays that are given, however many they hold."
    return None


@exercise("04-5")
def smooth_inverse_frequency(answer):
    """SIF: rare tokens weigh more, the first common direction goes."""
    table = np.random.default_rng(3).normal(size=(6, 4)) + np.array([2.0, 0, 0, 0])
    docs = [[0, 0, 1], [0, 2], [0, 3, 3, 4], [0, 5], [0, 1, 2]]
    a, count = 0.05, np.bincount(np.concatenate(docs), minlength=6)
    weight = a / (a + count / count.sum())

    def right(weight, direction=True, centre=False):
        v = np.stack([(weight[d, None] * table[d]).mean(0) for d in docs])
        if centre:
            return v - v.mean(0)
        first = np.linalg.svd(v, full_matrices=False)[2][0]
        return v - np.outer(v @ first, first) if direction else v

    got = np.asarray(answer([list(d) for d in docs], table.copy(), a), float)
    if got.shape != (5, 4):
        return f"the result has shape {got.shape}; one vector for each of the 5 texts, (5, 4), was asked for."
    if np.allclose(got, right(weight), atol=1e-6):
        return None
    if np.allclose(got, right(weight, direction=False), atol=1e-6):
        return "the weights are right and the common direction is still there: subtract from each vector its part along the first right singular vector."
    if np.allclose(got, right(np.ones(6)), atol=1e-6):
        return "every token weighs the same, so the token that stands in all texts is as loud as the one that tells them apart: use a / (a + p)."
    if np.allclose(got, right(weight, centre=True), atol=1e-6):
        return "you subtracted the mean vector; the first direction of the vectors as they are was asked for, without centring."
    texts = np.array([sum(k in d for d in docs) for k in range(6)])
    if np.allclose(got, right(a / (a + texts / len(docs))), atol=1e-6):
        return "p is a token's share of all tokens, not the share of texts that it stands in."
    return "the values differ; each text is the plain mean over its tokens of weight times vector (repeated tokens count again), then the first direction goes."
