"""cornac's evaluation of given scores. Arguments: split.npz asked.npz out.json."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import peer
from cornac.data import Dataset
from cornac.eval_methods.base_method import ranking_eval
from cornac.metrics import NDCG
from cornac.models import Recommender

task, asked = peer.Task.read(Path(sys.argv[1])), np.load(sys.argv[2])
scores, row = asked["scores"], {int(u): k for k, u in enumerate(task.ask_user)}


class Given(Recommender):
    """A model whose scores are already there."""

    def score(self, user_idx: int, item_idx: int | None = None) -> np.ndarray:
        return scores[row[user_idx]] if item_idx is None else scores[row[user_idx], item_idx]


def dataset(users: np.ndarray, items: np.ndarray) -> Dataset:
    return Dataset(task.n_users, task.n_items, {u: u for u in range(task.n_users)}, {i: i for i in range(task.n_items)}, (users, items, np.ones(len(users))))


train, test = dataset(task.user, task.item), dataset(np.repeat(task.ask_user, asked["size"]), asked["positives"])
model = Given("given").fit(train)
(mean, _), seconds = peer.least(lambda: ranking_eval(model, [NDCG(10)], train, test))
Path(sys.argv[3]).write_text(json.dumps({"version": version("cornac"), "seconds": seconds, "ndcg10": float(mean[0])}))
