"""RecTools: EASE, SASRec and eSASRec. Runs in RecTools' environment."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import peer
from pytorch_lightning import seed_everything
from rectools.models import EASEModel, SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers
from watch_rectools import dataset


def ease(task: peer.Task, seed: int, most: int, **setting: float) -> peer.Score:
    items = task.frequent(most)
    data = dataset(task, items)
    model = EASEModel(**setting).fit(data)
    order = data.item_id_map.convert_to_internal(items)
    return peer.linear(task.matrix(), items, model.weight[np.ix_(order, order)])


def sasrec(task: peer.Task, seed: int, **setting: Any) -> peer.Score:
    """Scores are the products that RecTools' own ``recommend`` ranks; an item without events and a person without a past have none."""
    seed_everything(seed, verbose=False)
    model, data = SASRecModel(recommend_torch_device="cpu", **setting), dataset(task)
    model.fit(data)
    reader = model.data_preparator
    known = reader.get_known_items_sorted_internal_ids()
    item = reader.item_id_map.convert_to_external(known).astype(np.int64)
    asked = reader.transform_dataset_u2i(data, np.unique(task.ask_user[np.isin(task.ask_user, task.user)]), None)
    state, weight = model.lightning_model._get_user_item_embeddings(reader.get_dataloader_recommend(asked, 256), "cpu")
    row = np.full(task.n_users, -1)
    row[asked.user_id_map.external_ids.astype(np.int64)] = np.arange(len(state))
    table = np.full((task.n_items, weight.shape[1]), np.nan, np.float32)
    table[item] = weight[known].numpy()
    state = np.vstack([state.numpy(), np.full((1, state.shape[1]), np.nan, np.float32)])
    return lambda users, first, end: state[row[users]] @ table[first:end].T


esasrec = partial(sasrec, transformer_layers_type=LiGRLayers, loss="sampled_softmax")
if __name__ == "__main__":
    peer.run({"EASE": ease, "SASRec": sasrec, "eSASRec": esasrec}, "RecTools")
