"""People who are new to a scene: a map from what they took elsewhere to what such people take here."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys_lib.data.log import SCENE, InteractionLog
from recsys_lib.data.splits import event_counts
from recsys_lib.errors import BadData
from recsys_lib.language import unit
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole


class SceneMap:
    """score(u, i, s) = cos(W_s m_u, h_i), with m_u the direction of a person's past *outside* scene s.

    W_s [d, d] is a ridge regression, learned from everybody with a past both in s and elsewhere: it predicts the direction of their
    past in s from that of the rest. Where a gate scales each axis, a matrix can turn: who bought a wok may be sent to rice. The idea
    of a learned map between domains is that of Man et al. (IJCAI 2017), here between profiles of text vectors, so new items have a score.

    Args:
        vectors: float [n_items, d], as a rule whitened text vectors; scaled to length 1 here.
        ridge: weight of the squared size of W_s against squared errors, one a person.

    Attributes:
        maps: W_s transposed, float32 [n_scenes, d, d]; zero where nobody has a past both here and elsewhere.
    """

    log = Fitted()

    def __init__(self, vectors: np.ndarray, ridge: float = 100.0) -> None:
        if ridge <= 0:
            raise BadData(f"ridge is {ridge}; it must be above 0, or a person more decides everything.")
        self.vectors, self.ridge = unit(np.asarray(vectors, np.float32)), ridge

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> SceneMap:
        """Learn one map a scene from the events before ``until`` (all if None).

        Raises:
            BadData: the vectors do not match the items.
        """
        if len(self.vectors) != log.n_items:
            raise BadData(f"vectors have {len(self.vectors)} rows; {log.name} has {log.n_items} items.")
        self.log = log.before(until)
        dim, maps = self.vectors.shape[1], []
        for scene in range(log.n_scenes):
            there, here = self._pasts(self.log, scene)
            both = there.any(1) & here.any(1)
            x, y = there[both].astype(float), here[both].astype(float)
            maps.append(np.linalg.solve(x.T @ x + self.ridge * np.eye(dim), x.T @ y))
        self.maps = np.stack(maps).astype(np.float32)
        self.past = Reader(self._people, self.log)
        return self

    def _pasts(self, log: InteractionLog, scene: int) -> tuple[np.ndarray, np.ndarray]:
        """Directions of everybody's past outside a scene and in it: float32 [n_users, d] each, zeros without one."""
        parts = (log.events[SCENE] != scene, log.events[SCENE] == scene)
        there, here = (unit(log.with_events(log.events[part]).matrix() @ self.vectors) for part in parts)
        return there, here

    def _people(self, log: InteractionLog) -> list[np.ndarray]:
        return [unit(self._pasts(log, scene)[0] @ self.maps[scene]) for scene in range(log.n_scenes)]

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Cosines in [-1, 1]: float32 [len(users), items in scene]; 0 for a person without a past elsewhere."""
        users, scene = check_codes(users, self.log, history), self.log.scene_code(scene)
        return self.past(history)[scene][users] @ self.vectors[self.log.scene_items(scene)].T


class ByPast:
    """Serve people with a past in the scene by one model, and people who are new there by another. Both are models.

    Args:
        known: for people with at least one event in the scene. newcomer: for everyone else.
    """

    log = Fitted()

    def __init__(self, known: Any, newcomer: Any) -> None:
        self.known, self.newcomer = known, newcomer

    def fit(self, log: InteractionLog, until: int | None = None) -> ByPast:
        """Fit both on the events before ``until`` (all if None)."""
        self.known.fit(log, until), self.newcomer.fit(log, until)
        return self.mark(log.before(until))

    def mark(self, log: InteractionLog) -> ByPast:
        """Take two models that are fitted already: note who has a past where in their training log."""
        self.log = log
        self.past = Reader(_has_past, log)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of the model in charge of each person: float32 [len(users), items in scene]."""
        users, code = check_codes(users, self.log, history), self.log.scene_code(scene)
        here = self.past(history)[users, code]
        out = np.empty((len(users), len(self.log.scene_items(code))), np.float32)
        for model, part in ((self.known, here), (self.newcomer, ~here)):
            if part.any():
                out[part] = model.score(users[part], code, history)
        return out


def _has_past(log: InteractionLog) -> np.ndarray:
    """Who acted where: bool [n_users, n_scenes]."""
    return event_counts(log, log.events) > 0
