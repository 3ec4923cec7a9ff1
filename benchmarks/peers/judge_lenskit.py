"""LensKit's evaluation of given lists. Arguments: split.npz asked.npz out.json."""

from __future__ import annotations

import json
import sys
import time
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
metric, least = NDCG(10, weight=LogRankWeight(offset=1)), np.inf  # the discount of rank r is log2(r + 1), as ours
for _ in range(3):
    began = time.process_time()
    found = RunAnalysis(metric).measure(lists, test).list_metrics()
    least = min(least, time.process_time() - began)
Path(sys.argv[3]).write_text(json.dumps({"version": version("lenskit"), "seconds": least, "ndcg10": float(found["NDCG@10"].mean())}))
