"""LensKit's evaluation of given lists. Arguments: split.npz asked.npz out.json."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import peer
from lenskit.data import ItemList, ItemListCollection
from lenskit.metrics import NDCG, RunAnalysis
from lenskit.metrics.ranking import LogRankWeight

task, asked = peer.Task.read(Path(sys.argv[1])), np.load(sys.argv[2])
names = [int(u) for u in task.ask_user]
lists = ItemListCollection.from_dict({u: ItemList(item_ids=row, ordered=True) for u, row in zip(names, asked["lists"], strict=True)}, "user_id")
truth = np.split(asked["positives"], np.cumsum(asked["size"])[:-1])
test = ItemListCollection.from_dict({u: ItemList(item_ids=row) for u, row in zip(names, truth, strict=True)}, "user_id")
metric = NDCG(10, weight=LogRankWeight(offset=1))  # the discount of rank r is log2(r + 1), as ours
found, seconds = peer.least(lambda: RunAnalysis(metric).measure(lists, test).list_metrics())
Path(sys.argv[3]).write_text(json.dumps({"version": version("lenskit"), "seconds": seconds, "ndcg10": float(found["NDCG@10"].mean())}))
