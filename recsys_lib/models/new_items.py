"""A lane for new items: fixed places in the list for what nobody has taken yet, so that popularity cannot bury it."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.data.log import ITEM, InteractionLog
from recsys_lib.data.splits import tie_order
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted


class NewItemLane:
    """Two rankings by one model, merged: after the first ``first`` places, each ``every``-th place goes to the best item without events.

    The order among known items and the order among new ones stay the model's own; equal scores come in the order of the
    contract's hash. The score returned is minus the place in the merged list, counted before seen items are taken out.

    Args:
        model: any model that can tell new items apart (one that reads texts). first: places left to known items. every: at least 2.

    Attributes:
        new: bool [n_items], without events in training.
    """

    log = Fitted()

    def __init__(self, model: Any, first: int = 10, every: int = 6) -> None:
        if first < 0 or every < 2:
            raise BadData(f"first is {first} and every {every}; first must not be negative and every at least 2.")
        self.model, self.first, self.every = model, first, every

    def fit(self, log: InteractionLog, until: int | None = None) -> NewItemLane:
        """Fit the model on the events before ``until`` (all if None), and note which items have none."""
        self.model.fit(log, until)
        return self.mark(log.before(until))

    def mark(self, log: InteractionLog) -> NewItemLane:
        """Take an already fitted model: note which items of its training log have no events."""
        self.log = log
        self.new = np.bincount(log.events[ITEM], minlength=log.n_items) == 0
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Minus the place in the merged list: float32 [len(users), items in scene]."""
        items = self.log.scene_items(scene)
        order = tie_order(items)
        by_score = order[np.argsort(-np.asarray(self.model.score(users, scene, history))[:, order], axis=1, kind="stable")]
        fresh = self.new[items][by_score]
        known_before, new_before = np.cumsum(~fresh, 1) - ~fresh, np.cumsum(fresh, 1) - fresh
        late = np.maximum(known_before - self.first, 0)
        place = np.where(fresh, self.first + (new_before + 1) * self.every - 1, known_before + late // (self.every - 1))
        places = np.empty(by_score.shape, np.float32)
        np.put_along_axis(places, by_score, -place.astype(np.float32), 1)
        return places
