"""Text-kNN: no training at all. A person is the mean of the texts in their history; what is near is recommended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse as sp

from recsys_lib.data.log import CATEGORIES, DAY, TIME, TITLE, UNDATED, USER, InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole
from recsys_lib.models.popularity import Popularity


class TextKNN:
    """Zero-shot recommendation from item texts: score = cosine(profile, item) + weight · log(1 + recent popularity).

    The profile is the mean of the length-1 vectors of the person's items *in all scenes*, scaled to length 1. Because
    items of every scene live in one text space, a person without any event here still gets a list. With
    :func:`~recsys_lib.language.static_vectors` as ``encoder`` this is the static-word-vector baseline.
    People without history score 0 everywhere (plus the popularity term).

    Args:
        vectors: float [n_items, d] in the order of the item codes; scaled to length 1 here. ``None``: made by ``encoder``.
        encoder: a :class:`~recsys_lib.language.TextEncoder`, or a function list[str] → float [n, d]; ``None``: MiniLM.
        fields: columns of the items table that make an item's text.
        half_life: days after which an event weighs half in the profile; ``None``: all events weigh the same.
        center: ``none``, or ``scene``: subtract the mean vector of the item's scene, so that "what all of beauty has in
            common" does not count as similarity.
        popularity: weight of log(1 + events in the last ``window`` days before the fit's T); 0 leaves it out.
        window: that window, in days; ``None``: all time.
        dtype: float32, or float64 where rounding must not decide between nearly equal cosines.

    Attributes:
        vectors: [n_items, d], length 1 (or 0 for an item without text).
        recent: float64 [n_items], the event counts of the popularity term.
    """

    log = Fitted()

    def __init__(
        self,
        vectors: np.ndarray | None = None,
        encoder: Callable[[list[str]], np.ndarray] | object | None = None,
        *,
        fields: Sequence[str] = (TITLE, CATEGORIES),
        half_life: float | None = None,
        center: str = "none",
        popularity: float = 0.0,
        window: float | None = 60,
        dtype: type = np.float32,
    ) -> None:
        if center not in ("none", "scene"):
            raise BadData(f"center is {center!r}; use 'none' or 'scene'.")
        if half_life is not None and not half_life > 0:
            raise BadData(f"half_life is {half_life}; give a positive number of days, or None.")
        self.given, self.encoder, self.fields = vectors, encoder, fields
        self.half_life, self.center, self.popularity, self.window, self.dtype = half_life, center, popularity, window, dtype

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> TextKNN:
        """Take item vectors from the texts, histories and popularity from the events before ``until`` (all if None).

        Raises:
            BadData: the vectors do not match the items, or a window in days meets a log without calendar time.
        """
        self.log = log.before(until)
        given = np.asarray(self.given) if self.given is not None else self._encode(log)
        if given.ndim != 2 or len(given) != log.n_items or not np.isfinite(given).all():
            raise BadData(f"vectors have shape {given.shape}; {log.name} needs one row of finite numbers for each of its {log.n_items} items.")
        vectors = _unit(given.astype(self.dtype))
        if self.center == "scene":
            for scene in range(log.n_scenes):
                items = log.scene_items(scene)
                vectors[items] -= vectors[items].mean(0) if len(items) else 0
            vectors = _unit(vectors)
        self.vectors, self.past = vectors, Reader(self._rows, self.log)
        window = self.window if self.popularity else None
        if window is not None:
            self._needs_days(log, "window")
        self.recent = Popularity(window).fit(log, until).count.astype(np.float64)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of all items of a scene: [len(users), items in scene], in [-1, 1] plus the popularity term.

        Args:
            users: int codes of people of the fitted log, or of ``history`` where it is given.
            scene: code of the scene.
            history: a log over the same items whose events replace the fitted ones in the profiles.
        """
        users = check_codes(users, self.log, history)
        items = self.log.scene_items(scene)
        profile = _unit(self.past(history)[users] @ self.vectors)
        scores = profile @ self.vectors[items].T
        if self.popularity:
            scores += (self.popularity * np.log1p(self.recent[items])).astype(self.dtype)
        return scores

    def _encode(self, log: InteractionLog) -> np.ndarray:
        from recsys_lib.language import TextEncoder, item_texts  # only where texts must be encoded

        encoder = self.encoder or TextEncoder()
        return np.asarray(getattr(encoder, "encode", encoder)(item_texts(log, self.fields)))

    def _rows(self, log: InteractionLog) -> sp.csr_matrix:
        """Profile weights, user × item."""
        if self.half_life is None:
            return log.matrix().astype(self.dtype)
        self._needs_days(log, "half_life")
        time = log.events[TIME].to_numpy()
        newest = _newest(time, log.events[USER].to_numpy(), log.n_users)
        age = np.where(time == UNDATED, np.inf, (newest - time) / DAY)
        return log.matrix(0.5 ** (age / self.half_life)).astype(self.dtype)

    def _needs_days(self, log: InteractionLog, what: str) -> None:
        if log.time_kind not in ("second", "day"):
            raise BadData(f"{what} is given in days, and {log.name} has time in {log.time_kind!r}; set {what}=None.")


def _newest(time: np.ndarray, user: np.ndarray, n_users: int) -> np.ndarray:
    """The newest time of each event's own person: int64 [n_events]. Ages count from it, so that no old profile underflows to zero."""
    newest = np.full(n_users, UNDATED)
    np.maximum.at(newest, user, time)
    return newest[user]


def _unit(x: np.ndarray) -> np.ndarray:
    return x / (np.linalg.norm(x, axis=1, keepdims=True) + np.asarray(1e-9, x.dtype))
