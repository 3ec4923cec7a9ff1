"""P, the person: what L makes of a history, always from events strictly before the moment of asking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys_lib.data.log import DAY, ITEM, SCENE, TIME, UNDATED, USER, InteractionLog
from recsys_lib.errors import BadData


class Profiles:
    """A person as vectors: for each scene, the mean of the item vectors of their past there.

    One *pool* is a scene and a half-life: with scenes food and beauty and half-lives ``(None, 90)`` a person is four vectors.
    Each has length 1, or 0 where the person has no past in that scene. Means come from running sums over each person's
    events, so a profile at any moment costs two look-ups and one subtraction.

    Args:
        log: whose events are the histories.
        vectors: float [n_items, d], what L makes of each item.
        half_lives: days after which an event weighs half; ``None``: all events weigh the same.

    Attributes:
        pools: number of pools, scenes × half-lives; pool ``scene * len(half_lives) + k`` is half-life k of that scene.
        dim: d.
    """

    def __init__(self, log: InteractionLog, vectors: np.ndarray, half_lives: Sequence[float | None] = (None,)) -> None:
        if len(vectors) != log.n_items:
            raise BadData(f"vectors have {len(vectors)} rows; {log.name} has {log.n_items} items.")
        if any(h is not None for h in half_lives) and log.time_kind not in ("second", "day"):
            raise BadData(f"half-lives are in days, and {log.name} has time in {log.time_kind!r}; use half_lives=(None,).")
        self.n_users, self.half_lives, self.dim = log.n_users, tuple(half_lives), vectors.shape[1]
        self.pools = log.n_scenes * len(self.half_lives)
        dated = log.events[log.events[TIME] != UNDATED]
        self._first = int(dated[TIME].min()) if len(dated) else 0
        self._span = int(dated[TIME].max()) - self._first + 2 if len(dated) else 2
        self._keys, self._sums = [], []
        for scene in range(log.n_scenes):
            here = dated[dated[SCENE] == scene].sort_values([USER, TIME], kind="stable")
            user, time, item = (here[column].to_numpy(np.int64) for column in (USER, TIME, ITEM))
            self._keys.append(user * self._span + time - self._first)
            self._sums.append([_running_sums(vectors[item], user, self._weights(user, time, h)) for h in self.half_lives])

    @staticmethod
    def _weights(user: np.ndarray, time: np.ndarray, half_life: float | None) -> np.ndarray:
        """Weights that halve every ``half_life`` days into the past; only their ratios within a person matter."""
        if half_life is None or not len(user):
            return np.ones(len(user))
        newest = time[np.searchsorted(user, user, "right") - 1]
        return 0.5 ** np.minimum((newest - time) / (half_life * DAY), 100)

    def at(self, users: np.ndarray, times: np.ndarray | int | None) -> np.ndarray:
        """Profiles of ``users`` [n] as of ``times`` [n] (or one moment for all; ``None``: after all events): float32 [n, pools, dim].

        An event at the very moment asked for is not part of the past.
        """
        users = np.asarray(users, np.int64)
        when = np.full(len(users), self._span - 1) if times is None else np.clip(np.asarray(times, np.int64) - self._first, 0, self._span - 1)
        out = np.zeros((len(users), self.pools, self.dim), np.float32)
        for scene, (keys, sums) in enumerate(zip(self._keys, self._sums, strict=True)):
            low, high = np.searchsorted(keys, users * self._span), np.searchsorted(keys, users * self._span + when)
            there = high > low
            for k, running in enumerate(sums):
                total = running[high[there] - 1]
                out[there, scene * len(self.half_lives) + k] = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
        return out


def _running_sums(vectors: np.ndarray, user: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Row k: weighted sum of the rows of k's own person up to and including k: float32 [n, d]. ``user`` ascends."""
    sums = np.cumsum(vectors * weight[:, None], axis=0, dtype=np.float64)
    first = np.searchsorted(user, user)
    before = np.where((first > 0)[:, None], sums[np.maximum(first - 1, 0)], 0)
    return (sums - before).astype(np.float32)
