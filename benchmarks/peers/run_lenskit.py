"""LensKit: item-kNN, EASE and iALS. Runs in LensKit's environment."""

from __future__ import annotations

import numpy as np
import pandas as pd
import peer
from lenskit.als import ImplicitMFScorer
from lenskit.data import Dataset, ItemList, RecQuery, from_interactions_df
from lenskit.knn import EASEScorer, ItemKNNScorer
from lenskit.pipeline import Component
from lenskit.training import TrainingOptions


def dataset(task: peer.Task, items: np.ndarray) -> Dataset:
    """The events of ``items``; a code is its own name."""
    pick = np.isin(task.item, items)
    return from_interactions_df(pd.DataFrame({"user_id": task.user[pick], "item_id": task.item[pick]}))


def asked(model: Component, task: peer.Task) -> peer.Score:
    """Ask the fitted component person by person, as LensKit's pipelines do: it sees the person's history and all items of the scene."""
    past = task.matrix()

    def score(users: np.ndarray, first: int, end: int) -> np.ndarray:
        scores, catalogue = np.full((len(users), end - first), np.nan, np.float32), ItemList(item_ids=np.arange(first, end))
        for row, user in zip(scores, users, strict=True):
            mine = past.indices[past.indptr[user] : past.indptr[user + 1]]
            if len(mine):
                row[:] = model(RecQuery(user_id=int(user), history_items=ItemList(item_ids=mine)), catalogue).scores()
        return scores

    return score


def fitted(model: Component, task: peer.Task, seed: int, items: np.ndarray) -> Component:
    model.train(dataset(task, items), TrainingOptions(rng=seed, device="cpu"))
    return model


def knn(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    return asked(fitted(ItemKNNScorer(feedback="implicit", **setting), task, seed, np.arange(task.n_items)), task)


def als(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    return asked(fitted(ImplicitMFScorer(**setting), task, seed, np.arange(task.n_items)), task)


def ease(task: peer.Task, seed: int, most: int, **setting: float) -> peer.Score:
    """LensKit orders items by name, so its weights stand in the order of the codes."""
    items = task.frequent(most)
    return peer.linear(task.matrix(), items, fitted(EASEScorer(**setting), task, seed, items).weights)


peer.run({"item-kNN": knn, "EASE": ease, "iALS": als}, "lenskit")
