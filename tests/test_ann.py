"""Nearest vectors: the exact search, and what faiss finds of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from recsys_lib.ann import Index, enlarged, recall_at, shortened
from recsys_lib.errors import BadData

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3000, 32)).astype(np.float32)
X /= np.linalg.norm(X, axis=1, keepdims=True)
Q = X[:40] + 0.05 * RNG.normal(size=(40, 32)).astype(np.float32)


def test_exact():
    scores, ids = Index().build(X).search(Q, 5)
    assert (ids == np.argsort(-(Q @ X.T), axis=1, kind="stable")[:, :5]).all()
    assert np.allclose(scores, np.take_along_axis(Q @ X.T, ids, 1), atol=1e-6)
    assert (Index().build(iter([X[:1000], X[1000:]])).search(Q, 5)[1] == ids).all()
    few = Index().build(X[:2]).search(Q[:1], 4)
    assert (few[1][0, 2:] == -1).all() and np.isneginf(few[0][0, 2:]).all()


@pytest.mark.parametrize(("kind", "least"), [("flat", 1.0), ("ivf", 0.9), ("hnsw", 0.95), ("ivfpq", 0.3)])
def test_approximate_kinds(kind, least):
    pytest.importorskip("faiss")
    exact = Index().build(X).search(Q, 10)[1]
    index = Index(kind, cells=None if kind == "flat" else 20, pieces=8).build(iter([X[:2000], X[2000:]]), sample=X)
    assert index.n == 3000 and recall_at(index.search(Q, 10, width=12)[1], exact) >= least
    if kind == "ivf":
        assert recall_at(index.search(Q, 10, width=20)[1], exact) == 1.0  # all cells opened
        assert recall_at(index.search(Q, 10, width=1)[1], exact) < recall_at(index.search(Q, 10, width=8)[1], exact)


def test_bad_input(monkeypatch):
    with pytest.raises(BadData, match="no index 'tree'"):
        Index("tree")
    with pytest.raises(BadData, match="build it first"):
        Index().search(Q)
    with pytest.raises(BadData, match="at least one"):
        Index().build(iter([]))
    with pytest.raises(BadData, match="vectors 2 to 3 have shape"):
        Index().build(iter([X[:2], X[:2, :5]]))
    with pytest.raises(BadData, match="32 numbers"):
        Index().build(X).search(Q[:, :3])
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadData, match="pip install faiss-cpu"):
        Index("ivf")


def test_shortened_vectors_keep_the_widest_axes_and_an_enlarged_catalogue_stays_near_its_origin():
    stretched = X * np.arange(1, 33, dtype=np.float32)
    mean, axes = shortened(stretched, 5)
    kept, all_ = ((stretched - mean) @ axes).var(0), np.linalg.eigvalsh(np.cov(stretched.T, bias=True))[::-1]
    assert mean.dtype == axes.dtype == np.float32 and axes.shape == (32, 5)
    np.testing.assert_allclose(kept, all_[:5], rtol=1e-3)
    chunks = list(enlarged(X[:50], 230, noise=0.05, chunk=100))
    assert [len(chunk) for chunk in chunks] == [100, 100, 30] and chunks[0].dtype == np.float32
    many = np.concatenate(chunks)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-5)
    assert 0.93 < (many @ X[:50].T).max(1).mean() < 0.98  # 1 / √(1 + 32 · .05²) = .962
    assert not np.array_equal(many, np.concatenate(list(enlarged(X[:50], 230, seed=1))))
    assert recall_at(np.array([[1, 2, -1]]), np.array([[2, 3, -1]])) == 0.5


def test_too_few_vectors_for_the_cells():
    pytest.importorskip("faiss")
    with pytest.raises(BadData, match="fewer cells"):
        Index("ivf", cells=50).build(X[:20])
    with pytest.raises(BadData, match="divide the dimensions"):
        Index("ivfpq", cells=4, pieces=7).build(X)
