"""This library through the same door as the others: the same file in, the same files out, a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import peer

from benchmarks.peers.plans import PLANS
from recsys_lib.data import InteractionLog
from recsys_lib.models.bpr import BPRMF
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.sasrec import SASRec


def log_of(task: peer.Task) -> InteractionLog:
    """The events as a log: people, items and scenes have codes only."""
    events = pd.DataFrame({"user": task.user.astype(np.int32), "item": task.item.astype(np.int32), "scene": task.scene.astype(np.int16), "time": task.time})
    scenes = pd.DataFrame({"name": [f"scene {s}" for s in range(int(task.item_scene.max()) + 1)], "description": ""})
    items = pd.DataFrame({"scene": task.item_scene.astype(np.int16), "title": ""})
    return InteractionLog(pd.DataFrame(index=range(task.n_users)), items, scenes, events, task.time_kind)


def fit(make: Callable[..., Any], seeded: bool, task: peer.Task, seed: int, **setting: Any) -> peer.Score:
    model = make(**setting, **({"seed": seed} if seeded else {})).fit(log_of(task))
    return lambda users, first, end: model.score(users, int(task.item_scene[first]))


sasrec = partial(SASRec, loss="sampled", device="cpu")
MODELS = {name: partial(fit, make, seeded) for name, make, seeded in (("item-kNN", ItemKNN, False), ("EASE", EASE, False), ("BPR-MF", BPRMF, True), ("SASRec", sasrec, True))}
MODELS |= {name: MODELS[name.partition(",")[0]] for name in PLANS["ours"]}

if __name__ == "__main__":
    peer.run(MODELS, "torch")
