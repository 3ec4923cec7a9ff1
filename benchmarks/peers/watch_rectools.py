"""RecTools' SASRec, epoch by epoch. Runs in RecTools' environment."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import peer
from pytorch_lightning import seed_everything
from rectools.dataset import Dataset
from rectools.models import SASRecModel


def dataset(task: peer.Task, items: np.ndarray | None = None) -> Dataset:
    """The events, of some ``items`` or of all, in RecTools' own structure; a code is its own name, and time its own unit."""
    events = pd.DataFrame({"user_id": task.user, "item_id": task.item, "weight": 1.0, "datetime": pd.to_datetime(task.time, unit="s")})
    return Dataset.construct(events if items is None else events[np.isin(task.item, items)])


def learn(task: peer.Task, seed: int, epoch: Callable[..., Any], **setting: Any) -> None:
    seed_everything(seed, verbose=False)
    datasets, model = lru_cache(dataset), SASRecModel(recommend_torch_device="cpu", **setting)

    def ten(asked: peer.Task) -> np.ndarray:
        shown = model.recommend(users=asked.ask_user, dataset=datasets(asked), k=10, filter_viewed=True)
        lists = np.full((len(asked.ask_user), 10), -1)
        lists[np.searchsorted(asked.ask_user, shown["user_id"]), shown["rank"] - 1] = shown["item_id"]
        return lists

    while True:
        with epoch(ten):
            model.fit_partial(datasets(task), min_epochs=1, max_epochs=1)


if __name__ == "__main__":
    peer.watch(learn, "RecTools")
