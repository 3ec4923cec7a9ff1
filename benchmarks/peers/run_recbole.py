"""RecBole: BPR, EASE and item-kNN. Runs in RecBole's environment."""

from __future__ import annotations

import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
import peer
import scipy.sparse as sp
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset import Dataset
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import get_model, get_trainer, init_seed


def trained(name: str, task: peer.Task, items: np.ndarray, seed: int, **setting: float) -> tuple[AbstractRecommender, Dataset]:
    """RecBole's model of this name, trained by RecBole's own trainer on the events of ``items``, all of them, and its data set. Codes are tokens."""
    pick = np.isin(task.item, items)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # it writes a log where it stands
        (Path(folder) / "task").mkdir()
        lines = "\n".join(f"{u}\t{i}" for u, i in zip(task.user[pick], task.item[pick], strict=True))
        (Path(folder) / "task" / "task.inter").write_text(f"user_id:token\titem_id:token\n{lines}\n")
        own = {"data_path": folder, "use_gpu": False, "seed": seed, "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "group_by": "none", "mode": "full"}}
        config = Config(model=name, dataset="task", config_dict=own | setting)
        init_seed(seed, True)
        dataset = create_dataset(config)
        training = data_preparation(config, dataset)[0]
        model = get_model(name)(config, training.dataset)
        get_trainer(config["MODEL_TYPE"], name)(config, model).fit(training, saved=False, show_progress=False)
    return model, dataset


def rows(dataset: Dataset, field: str, codes: np.ndarray) -> np.ndarray:
    """RecBole's own number of each code."""
    return dataset.token2id(field, codes.astype(str))


def bpr(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    model, dataset = trained("BPR", task, np.arange(task.n_items), seed, **setting)
    user, item = np.zeros((task.n_users, model.embedding_size), np.float32), np.zeros((task.n_items, model.embedding_size), np.float32)
    for table, learned, field, there in ((user, model.user_embedding, "user_id", np.unique(task.user)), (item, model.item_embedding, "item_id", np.unique(task.item))):
        table[there] = learned.weight.detach().numpy()[rows(dataset, field, there)]
    return lambda users, first, end: user[users] @ item[first:end].T


def ease(task: peer.Task, seed: int, most: int, **setting: float) -> peer.Score:
    items = task.frequent(most)
    model, dataset = trained("EASE", task, items, seed, **setting)
    order = rows(dataset, "item_id", items)
    return peer.linear(task.matrix(), items, np.asarray(model.item_similarity)[np.ix_(order, order)])


def knn(task: peer.Task, seed: int, **setting: float) -> peer.Score:
    items, past = np.unique(task.item), task.matrix()
    model, dataset = trained("ItemKNN", task, items, seed, **setting)
    order = rows(dataset, "item_id", items)
    weight = model.w[order][:, order].tocoo()
    near = sp.csc_matrix((weight.data, (items[weight.row], items[weight.col])), shape=(task.n_items, task.n_items))
    return lambda users, first, end: (past[users] @ near[:, first:end]).toarray()


peer.run({"BPR": bpr, "EASE": ease, "item-kNN": knn}, "recbole")
