"""Nearest vectors: the exact search, and what faiss finds of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from recsys_lib.ann import Index, recall_at
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


def test_too_few_vectors_for_the_cells():
    pytest.importorskip("faiss")
    with pytest.raises(BadData, match="fewer cells"):
        Index("ivf", cells=50).build(X[:20])
    with pytest.raises(BadData, match="divide the dimensions"):
        Index("ivfpq", cells=4, pieces=7).build(X)
