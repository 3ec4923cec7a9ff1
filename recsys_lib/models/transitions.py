"""Transition counts: what follows what, within a person's sequence."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_lib.data.log import InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted, Histories, Reader, check_codes, whole


class TransitionCounts:
    """Score of i = Σ_{a=1..steps} decay^(a-1) · C[j_a, i] / (1 + Σ_i C[j_a, i])^norm, with j_a the items a steps before the end.

    A step is a distinct time of the person, so events of equal time never follow each other. C[j, i] counts, over all people,
    how often i came b ≤ ``steps`` steps after j, weighed by decay^(b-1).

    Args:
        steps: how far a transition may reach. decay: weight lost a step. norm: 0 uses counts as they are, 1 shares.

    Attributes:
        count: sparse float32 [n_items, n_items], row = from, column = to: C, each row over its (1 + sum)^norm; the counts themselves with norm 0.

    Raises:
        BadData: steps below 1, a decay outside 0 … 1, a negative norm.
    """

    log = Fitted()

    def __init__(self, steps: int = 3, decay: float = 0.5, norm: float = 0.5) -> None:
        if steps < 1 or not 0 <= decay <= 1 or not norm >= 0:
            raise BadData(f"steps is {steps}, decay {decay} and norm {norm}; give 1 step at least, a decay from 0 to 1, and a norm of 0 or more.")
        self.steps, self.decay, self.norm = steps, decay, norm

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> TransitionCounts:
        """Count the transitions among the events before ``until`` (all if None).

        Raises:
            BadData: the log knows no order of events.
        """
        if log.time_kind == "none":
            raise BadData(f"{log.name} knows no order of events, so nothing follows anything; use ItemKNN.")
        self.log = log.before(until)
        self.past = Reader(Histories.of, self.log)
        start, item, step = self.past()
        item, step, user = item[:-1], step[:-1], np.repeat(np.arange(log.n_users), np.diff(start))
        pairs, reach = [], 1
        while reach < len(item):  # events `reach` places apart; events of one step may lie many places apart
            near = (user[reach:] == user[:-reach]) & (step[reach:] - step[:-reach] <= self.steps)
            if not near.any():
                break
            gap = step[reach:] - step[:-reach]
            at = np.flatnonzero(near & (gap > 0))
            pairs.append((item[at], item[at + reach], self.decay ** (gap[at] - 1.0)))
            reach += 1
        source, target, weight = (np.concatenate(x) for x in zip(*pairs, strict=True)) if pairs else (np.empty(0, int), np.empty(0, int), np.empty(0))
        count = sp.csr_matrix((weight, (source, target)), shape=(log.n_items, log.n_items))
        out = np.asarray(count.sum(1)).ravel()
        self.count = (sp.diags_array((1 + out) ** -self.norm) @ count).tocsr().astype(np.float32)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores ≥ 0: float32 [len(users), items in scene]; 0 where nothing ever followed."""
        users = check_codes(users, self.log, history)
        past = self.past(history)
        size = past.start[users + 1] - past.start[users]
        row = np.repeat(np.arange(len(users)), size)
        at = np.repeat(past.start[users], size) + np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        last = past.step[np.repeat(np.maximum(past.start[users + 1] - 1, 0), size)]
        back = last - past.step[at]
        near = back < self.steps
        weight = sp.csr_matrix((self.decay ** back[near].astype(float), (row[near], past.item[at[near]])), shape=(len(users), self.log.n_items))
        return (weight.astype(np.float32) @ self.count[:, self.log.scene_items(scene)]).toarray()
