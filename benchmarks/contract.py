"""The contract's seven systems on Amazon food–kitchen–beauty, by the library's models and judge.

    python -m benchmarks.contract [--reference reference_protocol.py] [--record]

With ``--reference`` the same scores also go to the reference judge of that file, and the largest difference of any figure of any
pair is printed. ``--record`` writes the recorded run ``02-contract``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time

import numpy as np
import pandas as pd

from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import ITEM, SCENE, USER
from recsys_lib.evaluation import METRICS, judge
from recsys_lib.language import TextEncoder, item_texts
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.textknn import TextKNN
from recsys_lib.results import record


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--reference")
    args.add_argument("--record", action="store_true")
    args = args.parse_args()
    log = load("amazon-fkb")
    split = temporal_split(log)
    vectors = TextEncoder().encode(item_texts(log))
    systems = {
        "popularity, all time": Popularity(), "popularity, 180 d": Popularity(180), "popularity, 60 d": Popularity(60), "popularity, 30 d": Popularity(30),
        "item-kNN, all scenes": ItemKNN(), "text-kNN": TextKNN(vectors), "text-kNN + .05 log pop60": TextKNN(vectors, popularity=0.05),
    }  # fmt: skip
    figures = {}
    for name, model in systems.items():
        began = time.perf_counter()
        ours = judge(model.fit(split.train, until=split.until), split, name)
        figures[name] = {f"{p} × {i}": row.dropna().to_dict() for (p, i), row in ours.summary().iterrows()} | {"seconds": time.perf_counter() - began}
        shown = ours.summary(intervals=False).loc[[("known", "all"), ("known", "known"), ("known", "new"), ("withheld", "all")], ["n", *METRICS]]
        print(f"\n{name}\n{shown.round(5).to_string()}", flush=True)
        if args.reference:
            figures[name]["difference_from_reference"] = difference(args.reference, model, split, ours.pairs)
            print(f"largest difference from the reference judge: {figures[name]['difference_from_reference']:.1e}", flush=True)
    if args.record:
        record("02-contract", command="python -m benchmarks.contract --reference reference_protocol.py --record", metrics=figures, data="amazon-fkb", protocol=split.protocol, seeds=[0], budget="one configuration each, untuned")


def difference(path: str, model: object, split: object, ours: pd.DataFrame) -> float:
    """Largest absolute difference of any metric of any row between our table and the reference judge's for the same scores."""
    spec = importlib.util.spec_from_file_location("reference", path)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    train = split.train.events.rename(columns={USER: "u", ITEM: "i", SCENE: "s"})
    pairs = [(*pair, positives) for pair, positives in zip(split.pairs.itertuples(index=False), split.positives, strict=True)]
    scenes = range(split.log.n_scenes)
    theirs = reference.judge(model.score, train, pairs, split.log.n_items, [split.log.scene_items(s) for s in scenes], len(scenes))
    both = ours.merge(theirs.rename(columns={"u": "user", "s": "scene"}), on=["user", "scene", "item"], suffixes=("", "_reference"), validate="1:1")
    if not len(both) == len(ours) == len(theirs):
        raise SystemExit(f"the tables have {len(ours)} and {len(theirs)} rows, {len(both)} in common")
    return float(np.nanmax([np.nanmax(np.abs(both[m] - both[f"{m}_reference"])) for m in METRICS]))


if __name__ == "__main__":
    main()
