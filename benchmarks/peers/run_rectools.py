"""RecTools: EASE, SASRec and eSASRec. Runs in RecTools' environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import peer
import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from rectools.dataset import Dataset
from rectools.models import EASEModel, SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers
from watch_rectools import dataset


def ease(task: peer.Task, seed: int, most: int, **setting: float) -> peer.Score:
    items = task.frequent(most)
    data = dataset(task, items)
    model = EASEModel(**setting).fit(data)
    order = data.item_id_map.convert_to_internal(items)
    return peer.linear(task.matrix(), items, model.weight[np.ix_(order, order)])


def scores(model: SASRecModel, network: Any, data: Dataset, task: peer.Task) -> peer.Score:
    """The products that RecTools' own ``recommend`` ranks; an item without events and a person without a past have none."""
    reader = model.data_preparator
    known = reader.get_known_items_sorted_internal_ids()
    item = reader.item_id_map.convert_to_external(known).astype(np.int64)
    asked = reader.transform_dataset_u2i(data, np.unique(task.ask_user[np.isin(task.ask_user, task.user)]), None)
    state, weight = network._get_user_item_embeddings(reader.get_dataloader_recommend(asked, 256), "cpu")
    row = np.full(task.n_users, -1)
    row[asked.user_id_map.external_ids.astype(np.int64)] = np.arange(len(state))
    table = np.full((task.n_items, weight.shape[1]), np.nan, np.float32)
    table[item] = weight[known].numpy()
    state = np.vstack([state.numpy(), np.full((1, state.shape[1]), np.nan, np.float32)])
    return lambda users, first, end: state[row[users]] @ table[first:end].T


def sasrec(task: peer.Task, seed: int, epochs: int | list[int], after: Callable[[int, peer.Score], None] | None = None, **setting: Any) -> peer.Score:
    """With a list of ``epochs``, ``after`` is given each of them and its scores on the way; asking for them does not move what chance does next."""
    seed_everything(seed, verbose=False)
    stops = epochs if isinstance(epochs, list) else [epochs]
    model, data = SASRecModel(recommend_torch_device="cpu", epochs=max(stops), **setting), dataset(task)

    def at_the_end(trainer: Trainer, network: Any) -> None:
        if after and trainer.current_epoch + 1 in stops:
            with torch.random.fork_rng():
                after(trainer.current_epoch + 1, scores(model, network, data, task))
            network.train()

    model._trainer.callbacks.append(LambdaCallback(on_train_epoch_end=at_the_end))
    model.fit(data)
    return scores(model, model.lightning_model, data, task)


esasrec = partial(sasrec, transformer_layers_type=LiGRLayers, loss="sampled_softmax")
if __name__ == "__main__":
    peer.run({"EASE": ease, "SASRec": sasrec, "eSASRec": esasrec}, "RecTools")
