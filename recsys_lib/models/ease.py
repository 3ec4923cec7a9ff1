"""EASE: a linear model with one matrix inverse and no training loop (Steck, "Embarrassingly shallow autoencoders", WWW 2019)."""

from __future__ import annotations

import time

import numpy as np
import scipy.sparse as sp
from scipy import linalg

from recsys_lib.data.log import InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole

BLOCK = 256  # columns at a time


class EASE:
    """Score = x_u B, where B minimises ‖X − XB‖² + λ‖B‖² with a zero diagonal.

    With G = XᵀX + λI and P = G⁻¹ the solution is B_ij = −P_ij / P_jj. The inverse of an n × n matrix costs time n³ and memory
    n²; only the ``most`` items with the most events take part. The others score 0.

    Args:
        lam: λ. most: items that take part. dtype: of the factorisation; float32 halves time and memory.

    Attributes:
        kept: item codes that take part. weight: [kept, kept], zero diagonal.
        seconds_inverse: of the factorisation and the inverse, n³ floating-point operations: the part that grows fastest.
    """

    log = Fitted()

    def __init__(self, lam: float = 500.0, most: int = 12_000, dtype: type = np.float32) -> None:
        if not lam > 0:
            raise BadData(f"lam is {lam}; EASE needs a positive ridge, or the matrix has no inverse.")
        if most < 1:
            raise BadData(f"most is {most}; let one item take part at least.")
        self.lam, self.most, self.dtype = lam, most, dtype

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> EASE:
        """Invert the Gram matrix of the events before ``until`` (all if None) by a Cholesky factorisation.

        Raises:
            BadData: there are no events, or rounding leaves the matrix without an inverse.
        """
        self.log = log.before(until)
        count = np.asarray(self.log.matrix().sum(0)).ravel()
        self.kept = np.sort(np.argsort(-count, kind="stable")[: min(self.most, int((count > 0).sum()))])
        if not len(self.kept):
            raise BadData(f"{log.name} has no event to learn from; EASE needs some.")
        self.past = Reader(self._rows, self.log)
        gram = self._gram()
        began = time.perf_counter()
        factor, broken = linalg.lapack.get_lapack_funcs(("potrf",), (gram,))[0](gram, lower=True, overwrite_a=True)
        inverse, failed = linalg.lapack.get_lapack_funcs(("potri",), (factor,))[0](factor, lower=True, overwrite_c=True)
        if broken or failed:
            raise BadData(f"the Gram matrix cannot be inverted with lam={self.lam}; use a larger one, or dtype=float64.")
        self.seconds_inverse = time.perf_counter() - began
        for low in range(0, len(inverse), BLOCK):  # LAPACK left the upper half alone
            high = low + BLOCK
            inverse[low:high, high:] = inverse[high:, low:high].T
            inverse[low:high, low:high] = np.tril(inverse[low:high, low:high]) + np.tril(inverse[low:high, low:high], -1).T
        inverse /= -np.diag(inverse)
        self.weight = inverse
        np.fill_diagonal(self.weight, 0)
        self._block = (None, None, None)
        return self

    def _gram(self) -> np.ndarray:
        """XᵀX + λI in the order LAPACK works in without a copy, some columns at a time: the sparse product of all may be larger than the dense one."""
        x = self.past()
        gram, columns = np.empty((x.shape[1],) * 2, self.dtype, order="F"), x.T.tocsr()
        for low in range(0, len(gram), BLOCK):
            gram[:, low : low + BLOCK] = (columns[low : low + BLOCK] @ x).toarray().T
        gram[np.diag_indices_from(gram)] += self.lam
        return gram

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores: float32 [len(users), items in scene]; 0 for items that did not take part."""
        users = check_codes(users, self.log, history)
        items, scene = self.log.scene_items(scene), self.log.scene_code(scene)
        if self._block[0] != scene:  # the columns of one scene, copied once: a judge asks scene by scene
            low, high = np.searchsorted(self.kept, [items[0], items[-1] + 1]) if len(items) else (0, 0)
            self._block = scene, self.kept[low:high], np.ascontiguousarray(self.weight[:, low:high])
        _, there, weight = self._block
        scores = np.zeros((len(users), len(items)), np.float32)
        scores[:, there - items[0] if len(items) else there] = self.past(history)[users] @ weight
        return scores

    def _rows(self, log: InteractionLog) -> sp.csr_matrix:
        return log.matrix()[:, self.kept].tocsr()
