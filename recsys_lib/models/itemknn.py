"""Item-kNN: people who took this also took that (Sarwar et al., WWW 2001), across all scenes at once."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_lib.data.log import InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole

BLOCK = 256  # items at a time


class ItemKNN:
    """Score = Σ over the person's items j of the cosine between the sets of people of i and j.

    Args:
        neighbours: keep only each item's strongest neighbours; ``None`` keeps all.
        shrink: added to the denominator, so that two lone co-buyers do not make a perfect neighbour.
        target: power of the recommended item's number of people in the denominator. 0.5 is the cosine, which takes popularity out; 0 leaves all of it in.
            That of the person's own item stays 0.5, where Aiolli's asymmetric cosine (RecSys 2013) lets the two powers add up to 1.
        dtype: float32, or float64 where rounding must not decide between nearly equal sums.

    Attributes:
        similarity: sparse [n_items, n_items], zero diagonal.

    Raises:
        BadData: no neighbour is kept, or a negative shrink.
    """

    log = Fitted()

    def __init__(self, neighbours: int | None = None, shrink: float = 0.0, target: float = 0.5, dtype: type = np.float32) -> None:
        if (neighbours is not None and neighbours < 1) or shrink < 0:
            raise BadData(f"neighbours is {neighbours} and shrink {shrink}; keep one neighbour at least (None: all), and add nothing negative.")
        self.neighbours, self.shrink, self.target, self.dtype = neighbours, shrink, target, dtype

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> ItemKNN:
        """Count co-occurrence in the events before ``until`` (all if None)."""
        self.log = log.before(until)
        self.past = Reader(self._rows, self.log)
        rows = self.log.matrix()
        size = np.maximum(np.asarray(rows.sum(0)).ravel(), 1).astype(np.float64)
        near, far, columns = np.sqrt(size), size**self.target, rows.T.tocsr()
        if self.neighbours is None:
            self.similarity = self._cosines(columns @ rows, near, far)
        else:  # counts are symmetric, so rows of counts are columns too; some at a time, and only what is kept stays
            blocks = [slice(low, low + BLOCK) for low in range(0, len(size), BLOCK)]
            kept = [_strongest(self._cosines(columns[b] @ rows, far[b], near, b.start), self.neighbours) for b in blocks]
            self.similarity = sp.vstack(kept, format="csr").T.tocsr()
        self.by_scene: dict[int, sp.csr_matrix] = {}
        return self

    def _cosines(self, together: sp.csr_matrix, of_row: np.ndarray, of_column: np.ndarray, first: int = 0) -> sp.csr_matrix:
        """Counts of co-occurrence (exact in float32 up to 2²⁴) over their denominator, without an item's count with itself. ``first``: item of row 0."""
        values, start = np.empty(together.nnz, self.dtype), together.indptr
        for low in range(0, len(of_row), BLOCK):  # some rows at a time: little memory, and it stays in the processor's cache
            high = min(low + BLOCK, len(of_row))
            part, row = slice(start[low], start[high]), np.repeat(np.arange(low, high), np.diff(start[low : high + 1]))
            column = together.indices[part]
            values[part] = np.where(row + first == column, 0, together.data[part] / (of_row[row] * of_column[column] + self.shrink))
        weighed = sp.csr_matrix((values, together.indices, start), shape=together.shape)
        weighed.eliminate_zeros()
        return weighed

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores ≥ 0: [len(users), items in scene]; 0 where no neighbour is in the history."""
        users = check_codes(users, self.log, history)
        if scene not in self.by_scene:
            self.by_scene[scene] = self.similarity[:, self.log.scene_items(scene)].tocsr()
        return (self.past(history)[users] @ self.by_scene[scene]).toarray()

    def _rows(self, log: InteractionLog) -> sp.csr_matrix:
        return log.matrix().astype(self.dtype)


def _strongest(x: sp.csr_matrix, k: int) -> sp.csr_matrix:
    """Keep the k largest entries of each row; of equal ones, those of the lowest columns."""
    keep = np.ones(x.nnz, bool)
    for row in np.flatnonzero(np.diff(x.indptr) > k):
        part = slice(x.indptr[row], x.indptr[row + 1])
        values = x.data[part]
        edge = np.partition(values, -k)[-k]
        above, level = values > edge, np.flatnonzero(values == edge)
        above[level[np.argsort(x.indices[part][level])][: k - above.sum()]] = True
        keep[part] = above
    x.data[~keep] = 0
    x.eliminate_zeros()
    return x
