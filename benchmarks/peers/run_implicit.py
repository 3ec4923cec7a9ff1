"""implicit: iALS, BPR and three item-kNNs. Runs in implicit's environment."""

from __future__ import annotations

import numpy as np
import peer
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, ItemItemRecommender, TFIDFRecommender


def factors(model: AlternatingLeastSquares | BayesianPersonalizedRanking, past: sp.csr_matrix) -> peer.Score:
    """Fit a factorisation; its score is a product of vectors (BPR's item bias is one of their coordinates)."""
    model.fit(past, show_progress=False)
    return lambda users, first, end: model.user_factors[users] @ model.item_factors[first:end].T


def neighbours(model: ItemItemRecommender, past: sp.csr_matrix) -> peer.Score:
    """Fit an item-kNN; its score is the sum over the person's items."""
    model.fit(past, show_progress=False)
    near = model.similarity.tocsc()
    return lambda users, first, end: (past[users] @ near[:, first:end]).toarray()


def ials(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    return factors(AlternatingLeastSquares(num_threads=1, random_state=seed, **setting), task.matrix())


def bpr(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    return factors(BayesianPersonalizedRanking(num_threads=1, random_state=seed, **setting), task.matrix())


def knn(kind: type[ItemItemRecommender]) -> peer.Callable[..., peer.Score]:
    return lambda task, seed, **setting: neighbours(kind(num_threads=1, **setting), task.matrix().astype(np.float64))


peer.run({"iALS": ials, "BPR": bpr, "item-kNN, cosine": knn(CosineRecommender), "item-kNN, TF-IDF": knn(TFIDFRecommender), "item-kNN, BM25": knn(BM25Recommender)}, "implicit")
