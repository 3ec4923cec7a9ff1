"""Nearest vectors in large catalogues: exact, or approximate through faiss (Johnson, Douze & Jégou 2021), which is optional."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np

from recsys_lib.errors import BadData
from recsys_lib.language import unit
from recsys_lib.metrics import top_k

KINDS = ("exact", "flat", "ivf", "hnsw", "ivfpq")
BLOCK = 2**24  # scores held at once by the exact search


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as missing:
        raise BadData("faiss is not installed, and only Index('exact') works without it; run: pip install faiss-cpu") from missing
    return faiss


class Index:
    """The k vectors with the largest inner product to a query. Scale vectors to length 1, and it is the cosine.

    Args:
        kind: ``exact`` (NumPy) and ``flat`` (faiss) look at every vector. ``ivf`` puts vectors into cells around k-means centres and looks into the
            nearest ``width`` cells. ``hnsw`` walks a graph of near neighbours, keeping the best ``width`` seen (Malkov & Yashunin 2020). ``ivfpq`` is
            ivf over vectors shortened to ``pieces`` bytes by product quantisation (Jégou, Douze & Schmid 2011): the only one for catalogues that do
            not fit in memory.
        cells: centres of ivf and ivfpq; ``None``: about 4 √n, at most what 39 training vectors a centre allow.
        pieces: bytes a vector of ivfpq; must divide d. links: neighbours a node of hnsw. width: how wide to search.

    Attributes:
        n, d: how many vectors, of how many dimensions. index: the faiss index (None for ``exact``). vectors: the vectors of ``exact``.

    Raises:
        BadData: an unknown kind, or faiss is needed and missing.
    """

    def __init__(self, kind: str = "exact", cells: int | None = None, pieces: int = 16, links: int = 32, width: int = 16) -> None:
        if kind not in KINDS:
            raise BadData(f"there is no index {kind!r}; use one of {', '.join(KINDS)}.")
        self.kind, self.cells, self.pieces, self.links, self.width = kind, cells, pieces, links, width
        self.index, self.vectors, self.n, self.d = None, None, 0, 0
        self.faiss = None if kind == "exact" else _faiss()

    def build(self, vectors: np.ndarray | Iterable[np.ndarray], sample: np.ndarray | None = None) -> Index:
        """Index vectors, all at once or chunk by chunk; only ``exact``, ``flat``, ``ivf`` and ``hnsw`` keep them whole.

        Args:
            vectors: [n, d], or an iterable of such chunks; ids run on through the chunks from 0.
            sample: what the centres are learned from; ``None``: the array, or the first chunk.

        Raises:
            BadData: nothing to index, numbers that are not finite, or chunks of different width.
        """
        chunks = iter([vectors]) if isinstance(vectors, np.ndarray) else iter(vectors)
        first = next(chunks, None)
        if first is None or len(first) == 0:
            raise BadData("there is no vector to index; give at least one.")
        if np.ndim(first) != 2:
            raise BadData(f"the vectors have {np.ndim(first)} dimensions; give an array [n, d], or chunks of that shape.")
        first = np.asarray(first)
        self.d, self.n, parts = first.shape[1], 0, []
        if self.kind != "exact":
            self.index = self._empty(np.ascontiguousarray(first if sample is None else sample, np.float32))
        for chunk in chain([first], chunks):
            x = np.ascontiguousarray(chunk, np.float32)
            if x.ndim != 2 or x.shape[1] != self.d or not np.isfinite(x).all():
                raise BadData(f"vectors {self.n} to {self.n + len(x) - 1} have shape {x.shape} or hold nan; rows of {self.d} finite numbers were asked for.")
            if self.index is None:
                parts.append(x)
            else:
                self.index.add(x)
            self.n += len(x)
        self.vectors = np.concatenate(parts) if parts else None
        return self

    def _empty(self, sample: np.ndarray) -> Any:
        faiss, d, inner = self.faiss, self.d, self.faiss.METRIC_INNER_PRODUCT
        if self.kind == "flat":
            return faiss.IndexFlatIP(d)
        if self.kind == "hnsw":
            return faiss.IndexHNSWFlat(d, self.links, inner)
        cells = self.cells or max(1, min(int(4 * len(sample) ** 0.5), len(sample) // 39))
        if cells > len(sample) or (self.kind == "ivfpq" and (d % self.pieces or len(sample) < 256)):
            raise BadData(f"{self.kind} with {cells} cells and {self.pieces} pieces does not fit {len(sample)} training vectors of {d} dimensions; "
                          "give more vectors or fewer cells, and pieces that divide the dimensions.")  # fmt: skip
        centres = faiss.IndexFlatIP(d)
        made = faiss.IndexIVFFlat(centres, d, cells, inner) if self.kind == "ivf" else faiss.IndexIVFPQ(centres, d, cells, self.pieces, 8, inner)
        made.cp.spherical = True  # centres of length 1, as the vectors
        if self.kind == "ivfpq":
            made.pq.cp.min_points_per_centroid = 1  # a small sample is allowed, and no line is printed about it
        made.train(sample)
        return made

    def search(self, queries: np.ndarray, k: int = 10, width: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of each query, best first.

        Args:
            queries: [n, d]. k: how many. width: cells to open (ivf, ivfpq) or candidates to keep (hnsw); ``None``: as at the start.

        Returns:
            inner products float32 [n, k] (of shortened vectors for ivfpq) and ids int64 [n, k], -1 where fewer were found.
        """
        q = np.ascontiguousarray(queries, np.float32)
        if self.n == 0:
            raise BadData("the index is empty; build it first.")
        if q.ndim != 2 or q.shape[1] != self.d or k < 1 or not np.isfinite(q).all():
            raise BadData(f"queries have shape {q.shape} or hold nan, and k is {k}; rows of {self.d} numbers and a k of at least 1 were asked for.")
        if self.kind == "exact":
            return self._exact(q, k)
        width = width or self.width
        if self.kind == "hnsw":
            self.index.hnsw.efSearch = max(width, k)
        elif self.kind != "flat":
            self.index.nprobe = width
        scores, ids = self.index.search(q, k)
        return scores, ids.astype(np.int64)

    def _exact(self, q: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        ids, scores = np.full((len(q), k), -1, np.int64), np.full((len(q), k), -np.inf, np.float32)
        step = max(1, BLOCK // self.n)
        for at in range(0, len(q), step):
            x = q[at : at + step] @ self.vectors.T
            best = top_k(x, k)
            ids[at : at + step] = best
            scores[at : at + step] = np.where(best >= 0, np.take_along_axis(x, np.maximum(best, 0), 1), -np.inf)
        return scores, ids


def recall_at(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact k nearest that stand among the found k: both int64 [n, k]."""
    return float(np.mean([len(np.intersect1d(a[a >= 0], b)) / max(1, (b >= 0).sum()) for a, b in zip(found, exact, strict=True)]))


def shortened(vectors: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal axes: the mean float32 [D] and the d directions float32 [D, d] that keep most of the variance; ``(x - mean) @ axes`` is the shorter x."""
    mean = vectors.mean(0)
    values, axes = np.linalg.eigh(np.cov(vectors - mean, rowvar=False).astype(np.float64))
    return mean.astype(np.float32), np.ascontiguousarray(axes[:, ::-1][:, :d], np.float32)


def enlarged(vectors: np.ndarray, n: int, noise: float = 0.05, seed: int = 0, chunk: int = 250_000) -> Iterable[np.ndarray]:
    """A catalogue of any size made from real vectors: n of them drawn with repetition, each moved a little, in chunks of length-1 rows.

    Args:
        vectors: float [m, d], length 1. noise: standard deviation of what is added to each number; .05 in 64 dimensions leaves a cosine of .93.
    """
    rng = np.random.default_rng(seed)
    for at in range(0, n, chunk):
        rows = rng.integers(len(vectors), size=min(chunk, n - at))
        yield unit(vectors[rows] + np.float32(noise) * rng.standard_normal((len(rows), vectors.shape[1]), dtype=np.float32))
