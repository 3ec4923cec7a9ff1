"""What scene fusion costs on a large scene: SceneWorld's music-1m, a million clicks on 20,000 items. Seconds and peak memory.

    python -m benchmarks.large --record 06-music-1m
"""

from __future__ import annotations

import argparse
import resource
import time

import torch

from recsys_lib.data import load, temporal_split
from recsys_lib.evaluation import compare, judge
from recsys_lib.language import read_items
from recsys_lib.models.popularity import PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.results import record


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args.add_argument("--threads", type=int, default=2)
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    log = load("sceneworld", preset="music-1m")
    split, began = temporal_split(log), time.perf_counter()
    vectors = read_items(log, fields=("title", "description"), dim=96)
    encoded = time.perf_counter()
    model = SceneFusion(vectors).fit(split.train, split.until, show_progress=True)
    fitted, cpu = time.perf_counter(), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ours, prior = judge(model, split), judge(PopularityPrior().fit(split.train, split.until), split)
    metrics = {
        "events in training": len(split.train.events), "items": log.n_items, "seconds of encoding": encoded - began, "seconds of fitting": fitted - encoded,
        "peak gigabytes, encoding and fitting": peak, "scene fusion": ours.summary().loc[("known", "known")].dropna().to_dict(),
        "scene fusion - prior": compare(ours, prior, "ndcg10", "known", "known"),
    }  # fmt: skip
    print(metrics, f"{cpu:.0f} CPU seconds so far")
    if args.record:
        record(args.record, command=f"python -m benchmarks.large --record {args.record}", metrics=metrics, data="sceneworld music-1m", protocol=split.protocol, seeds=[0], threads=args.threads, cpu_seconds=round(cpu))


if __name__ == "__main__":
    main()
