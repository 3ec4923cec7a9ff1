"""Checks of chapter 07, training."""

from __future__ import annotations

import numpy as np
import torch

from recsys_lib.exercises import exercise


@exercise("07-1")
def ignored(answer):
    """Which inputs never enter the score: four models, rows of which some are alike, inputs left as they were."""
    rows = torch.Generator().manual_seed(0)
    inputs = [torch.randn(12, 3, generator=rows) for _ in range(3)]
    inputs[0][0] = inputs[0][11]  # the first row meets its like
    inputs[0][1] = inputs[0][0]
    inputs[0][3] = inputs[0][2]
    before = [x.clone() for x in inputs]
    models = [
        (lambda u, i, s: (u * i).sum(1) * s.mean(1), []),
        (lambda u, i, s: i.sum(1) * s.sum(1), [0]),
        (lambda u, i, s: u.sum(1), [1, 2]),
        (lambda u, i, s: torch.full((12,), float(i.sum() * 0) + 1), [0, 1, 2]),
    ]  # fmt: skip
    for k, (model, right) in enumerate(models):
        got = answer(model, list(inputs))
        if any(not torch.equal(a, b) for a, b in zip(inputs, before, strict=True)):
            return "the inputs were changed by the test itself; swap rows in a copy."
        got = [int(x) for x in got]
        if got == right:
            continue
        if k == 0 and got == [0, 1, 2]:
            return "a model that reads everything was said to ignore everything: is what you compare really computed from swapped inputs?"
        if k == 0:
            return f"a model that reads all three inputs was said to ignore {got}; two rows may be alike by accident, so compare the scores of all rows."
        if got == [x for x in range(3) if x not in right]:
            return "these are the inputs that do matter; the ones that do not were asked for."
        return f"for a model that ignores {right} the answer was {got}; change one input at a time and leave the other two as they are."
    return None


@exercise("07-2")
def sampled_loss(answer):
    """Sampled softmax, its correction, and draws that hit the taken item."""
    s, q = np.array([0.5, -1.0, 2.0, 0.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    own, drawn = 2, np.array([0, 2, 4, 4, 3, 2])

    def loss(weight, also_own=False):
        kept = drawn if also_own else drawn[drawn != own]
        return np.log(np.exp(s[own]) + (np.exp(s[kept]) * weight(kept)).sum()) - s[own]

    got = float(answer(s.copy(), own, drawn.copy(), q.copy()))
    m, mine = len(drawn), int((drawn != own).sum())
    if np.isclose(got, loss(lambda j: 1 / (m * q[j])), atol=1e-6):
        return None
    wrong = {
        "each draw counts as one, however seldom it comes: subtract log(m·q) from its score.": loss(lambda j: np.ones(len(j))),
        "the correction has the wrong sign: a draw that comes often must count less.": loss(lambda j: m * q[j]),
        "the number of draws is missing: m draws weighed by 1/q alone estimate m times the sum.": loss(lambda j: 1 / q[j]),
        "the taken item is counted twice, once as itself and once where it was drawn; leave those draws out.": loss(lambda j: 1 / (m * q[j]), True),
        "draws that hit the taken item are left out of the sum, but m still counts them.": loss(lambda j: 1 / (mine * q[j])),
        "this is the full softmax; the sum was to be estimated from the draws.": np.log(np.exp(s).sum()) - s[own],
    }
    for sentence, value in wrong.items():
        if np.isclose(got, value, atol=1e-6):
            return sentence
    if np.isclose(got, s[own] - np.log(np.exp(s[own]) + (np.exp(s[drawn[drawn != own]]) / (m * q[drawn[drawn != own]])).sum()), atol=1e-6):
        return "the sign is turned: a loss is the log of the sum minus the own score."
    return "the value is not log(e^s[own] + Σ e^s[j] / (m·q[j])) − s[own], summed over the draws that are not `own`."


@exercise("07-3")
def right(answer):
    """Accuracy of logits: threshold 0."""
    score, label = np.array([2.0, 0.2, -0.3, -4.0, 0.0, 0.7, -1.0]), np.array([1, 1, 1, 0, 0, 0, 0])
    got = float(answer(score.copy(), label.copy()))
    if np.isclose(got, 5 / 7):
        return None
    if np.isclose(got, 4 / 7):
        zero = np.isclose(float(answer(np.array([3.0, 3.0]), np.array([1, 1]))), 0)
        if zero:
            return "every answer is *no*, whatever the score: the argmax over one column is always 0."
        return "the threshold is off: logits are no probabilities, and one half is a logit of 0, which itself counts as *no*."
    return "the share of right answers is not this; a score above 0 says yes, and all others say no."


@exercise("07-4")
def step(answer):
    """L2 in the gradient against decoupled decay."""
    w, g, lr, decay = np.array([1.0, -2.0, 3.0]), np.array([100.0, 0.3, 0.01]), 0.1, 0.2  # the decay turns the second sign
    for decoupled in (True, False):
        total = g if decoupled else g + decay * w
        right = w - lr * total / (np.abs(total) + 1e-8) - (lr * decay * w if decoupled else 0)
        got = np.asarray(answer(w.copy(), g.copy(), lr, decay, decoupled), float)
        if got.shape == right.shape and np.allclose(got, right, atol=1e-6):
            continue
        plain = w - lr * g / (np.abs(g) + 1e-8)
        if got.shape == right.shape and decoupled and np.allclose(got, plain - decay * w, atol=1e-6):
            return "decoupled: the decay is lr · decay · w; without lr it does not follow the schedule."
        if got.shape == right.shape and decoupled and np.allclose(got, plain * (1 - lr * decay), atol=1e-6):
            return "decoupled: the decay was taken from the weights after the step; lr · decay · w belongs to the weights as they came."
        if got.shape == right.shape and not decoupled and np.allclose(got, plain - lr * decay * w, atol=1e-6):
            return "L2: the decay joins the gradient *before* the division by its size; what you wrote is the decoupled form."
        if got.shape == right.shape and np.allclose(got, plain, atol=1e-6):
            return f"with decoupled={decoupled} the decay does not reach the weights; is it there, whole, and where the exercise puts it?"
        return f"with decoupled={decoupled} the new weights are not those of the rule in the exercise."
    return None


@exercise("07-5")
def stop(answer):
    """Early stopping: what is kept, and how long it ran."""
    cases = [([1, 3, 2, 2, 2, 9], 2, (2, 4)), ([1, 2, 3], 2, (3, 3)), ([5, 4, 3, 2], 1, (1, 2)), ([2, 2, 2, 2], 3, (1, 4)), ([5, 1, 2, 3, 4], 2, (1, 3)), ([1, 3, 2, 4, 3, 3, 3], 2, (4, 6)), ([-3, -1, -2, -4], 2, (2, 4))]
    for values, patience, right in cases:
        got = tuple(int(x) for x in answer(list(values), patience))
        if got == right:
            continue
        if max(values) < 0:
            return f"for {values}, where no figure is above 0, the answer was {got}: the best so far begins with the first figure, not with 0."
        if got == (int(np.argmax(values)) + 1, len(values)):
            return f"for {values} the loop looked into the future: with patience {patience} it stops before it meets what comes later."
        if got == right[::-1]:
            return f"for {values} the answer was {got}; the epoch that is kept comes first, then how many were run."
        if got[1] == right[1]:
            return f"for {values} with patience {patience} it ran long enough, but kept epoch {got[0]}: keep the best one, and of equals the first."
        if abs(got[1] - right[1]) == 1:
            return f"for {values} with patience {patience} it stopped one epoch {'early' if got[1] < right[1] else 'late'}: stop after the epoch in which the best is patience epochs old."
        return f"for {values} with patience {patience} the answer was {got}; walk through these values by hand, one epoch at a time."
    return None
