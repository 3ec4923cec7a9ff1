"""A mix of a prior and a personal system: the strongest simple recommender, and the bar for everything after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.data.log import InteractionLog


class Mix:
    """Score = prior + weight · log(1 + scale · max(personal, 0)). The logarithm keeps one strong neighbour from shouting down the rest.

    Args:
        prior, personal: models; of ``personal`` only what is above 0 counts (all of item-kNN and transition counts, not of EASE). weight, scale: to be tuned.
    """

    def __init__(self, prior: Any, personal: Any, weight: float = 1.0, scale: float = 50.0) -> None:
        self.prior, self.personal, self.weight, self.scale = prior, personal, weight, scale

    def fit(self, log: InteractionLog, until: int | None = None) -> Mix:
        """Fit both parts on the events before ``until`` (all if None)."""
        self.prior.fit(log, until)
        self.personal.fit(log, until)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores: float32 [len(users), items in scene]."""
        personal = np.log1p(self.scale * np.maximum(self.personal.score(users, scene, history), 0))
        return (self.prior.score(users, scene, history) + self.weight * personal).astype(np.float32)
