"""Item-kNN: people who took this also took that (Sarwar et al., WWW 2001), across all scenes at once."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_lib.data.log import InteractionLog
from recsys_lib.models.histories import Reader, check_codes


class ItemKNN:
    """Score = Σ over the person's items j of the cosine between the sets of people of i and j.

    Args:
        neighbours: keep only each item's strongest neighbours; ``None`` keeps all.
        shrink: added to the denominator, so that two lone co-buyers do not make a perfect neighbour.
        dtype: float32, or float64 where rounding must not decide between nearly equal sums.

    Attributes:
        similarity: sparse [n_items, n_items], zero diagonal.
    """

    def __init__(self, neighbours: int | None = None, shrink: float = 0.0, dtype: type = np.float32) -> None:
        self.neighbours, self.shrink, self.dtype = neighbours, shrink, dtype

    def fit(self, log: InteractionLog, until: int | None = None) -> ItemKNN:
        """Count co-occurrence in the events before ``until`` (all if None)."""
        self.log = log.before(until)
        self.past = Reader(self._rows, self.log)
        rows = self.log.matrix().astype(np.float64)
        size = np.maximum(np.asarray(rows.sum(0)).ravel(), 1)
        scaled = rows @ sp.diags_array(1 / np.sqrt(size))
        together = (scaled.T @ scaled).tocsr()
        together.setdiag(0)
        if self.shrink:
            together = together.tocoo()
            root = np.sqrt(size[together.row] * size[together.col])
            together.data *= root / (root + self.shrink)
            together = together.tocsr()
        if self.neighbours is not None:
            together = _strongest(together, self.neighbours)
        self.similarity = together.astype(self.dtype)
        self.by_scene: dict[int, sp.csr_matrix] = {}
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores ≥ 0: [len(users), items in scene]; 0 where no neighbour is in the history."""
        users = check_codes(users, self.log, history)
        if scene not in self.by_scene:
            self.by_scene[scene] = self.similarity[:, self.log.scene_items(scene)].tocsr()
        return (self.past(history)[users] @ self.by_scene[scene]).toarray()

    def _rows(self, log: InteractionLog) -> sp.csr_matrix:
        return log.matrix().astype(self.dtype)


def _strongest(x: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Keep the k largest entries of each column."""
    x = x.tocsc()
    order = np.lexsort((-x.data, np.repeat(np.arange(x.shape[1]), np.diff(x.indptr))))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(x.indptr[:-1], np.diff(x.indptr))
    x.data[place >= k] = 0
    x.eliminate_zeros()
    return x.tocsr()
