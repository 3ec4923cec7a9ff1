"""Ranking by a person's profile, whatever it was made of: score = cosine(profile, item)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys_lib.data.log import InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.language import unit
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole


class ProfileKNN:
    """:class:`~recsys_lib.models.textknn.TextKNN` with the profile as an argument: a mean, a decayed mean, an encoded text.

    Args:
        items: float [n_items, d]; scaled to length 1 here.
        people: a function of a log → float [n_users, d] in the space of the items, called with the events before the fit's ``until``
            and with a ``history`` where one is given; a row of zeros scores 0 everywhere.
    """

    log = Fitted()

    def __init__(self, items: np.ndarray, people: Callable[[InteractionLog], np.ndarray]) -> None:
        self.items, self.people = unit(np.asarray(items, np.float32)), people

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> ProfileKNN:
        """Make everyone's profile from the events before ``until`` (all if None).

        Raises:
            BadData: the profiles do not match the people or the items.
        """
        if len(self.items) != log.n_items:
            raise BadData(f"there are vectors of {len(self.items)} items, and {log.name} has {log.n_items}; give one row an item.")
        self.log = log.before(until)
        self.profile = Reader(self._made, self.log)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Cosines in [-1, 1]: float32 [len(users), items in scene]."""
        users = check_codes(users, self.log, history)
        return self.profile(history)[users] @ self.items[self.log.scene_items(scene)].T

    def _made(self, log: InteractionLog) -> np.ndarray:
        made = np.asarray(self.people(log), np.float32)
        if made.shape != (log.n_users, self.items.shape[1]) or not np.isfinite(made).all():
            raise BadData(f"profiles have shape {made.shape}; {(log.n_users, self.items.shape[1])} finite numbers are needed, a row a person of {log.name}.")
        return unit(made)

