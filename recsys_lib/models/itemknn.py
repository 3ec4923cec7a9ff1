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
        target: power of the recommended item's number of people in the denominator. 0.5 is the cosine, which takes popularity out; 0 leaves all of it in
            (Aiolli, RecSys 2013, calls this an asymmetric cosine).
        dtype: float32, or float64 where rounding must not decide between nearly equal sums.

    Attributes:
        similarity: sparse [n_items, n_items], zero diagonal.
    """

    def __init__(self, neighbours: int | None = None, shrink: float = 0.0, target: float = 0.5, dtype: type = np.float32) -> None:
        self.neighbours, self.shrink, self.target, self.dtype = neighbours, shrink, target, dtype

    def fit(self, log: InteractionLog, until: int | None = None) -> ItemKNN:
        """Count co-occurrence in the events before ``until`` (all if None)."""
        self.log = log.before(until)
        self.past = Reader(self._rows, self.log)
        rows = self.log.matrix()
        size = np.maximum(np.asarray(rows.sum(0)).ravel(), 1).astype(np.float64)
        together = rows.T.tocsr() @ rows  # counts: exact in float32 up to 2²⁴
        values = np.empty(together.nnz, self.dtype)
        near, far, start = np.sqrt(size), size**self.target, together.indptr
        for low in range(0, len(size), 256):  # some rows at a time: little memory, and it stays in the processor's cache
            high = min(low + 256, len(size))
            part, row = slice(start[low], start[high]), np.repeat(np.arange(low, high), np.diff(start[low : high + 1]))
            column = together.indices[part]
            values[part] = np.where(row == column, 0, together.data[part] / (near[row] * far[column] + self.shrink))
        together = sp.csr_matrix((values, together.indices, start), shape=together.shape)
        together.eliminate_zeros()
        if self.neighbours is not None:
            together = _strongest(together, self.neighbours)
        self.similarity = together
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
    """Keep the k largest entries of each column; of equal ones, those of the lowest rows."""
    x = x.tocsc()
    keep = np.ones(x.nnz, bool)
    for column in np.flatnonzero(np.diff(x.indptr) > k):
        part = slice(x.indptr[column], x.indptr[column + 1])
        values = x.data[part]
        edge = np.partition(values, -k)[-k]
        above = values > edge
        above[np.flatnonzero(values == edge)[: k - above.sum()]] = True
        keep[part] = above
    x.data[~keep] = 0
    x.eliminate_zeros()
    return x.tocsr()
