"""What scene fusion costs on a large scene: SceneWorld's music-1m, a million clicks. Seconds and peak memory of the fit, once texts are read.

Static word vectors read here, since it takes MiniLM half an hour for 100,000 texts and the fit costs the same whoever read them.

    python -m benchmarks.large --record 06-music-1m
"""

from __future__ import annotations

import argparse
import resource
import time

import torch

from recsys_lib.data import load, temporal_split
from recsys_lib.evaluation import compare, judge
from recsys_lib.language import item_texts, static_vectors, unit, whiten
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
    vectors = unit(whiten(static_vectors(item_texts(log, fields=("title", "description")), sif=1e-3), 96))
    encoded = time.perf_counter()
    model = SceneFusion(vectors).fit(split.train, split.until, show_progress=True)
    fitted, cpu = time.perf_counter(), time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ours, prior = judge(model, split), judge(PopularityPrior().fit(split.train, split.until), split)
    metrics = {
        "events in training": len(split.train.events), "items": log.n_items, "seconds of reading": encoded - began, "seconds of fitting": fitted - encoded,
        "peak gigabytes, reading and fitting": peak, "scene fusion": ours.summary().loc[("known", "known")].dropna().to_dict(),
        "scene fusion - prior": compare(ours, prior, "ndcg10", "known", "known"),
    }  # fmt: skip
    print(metrics, f"{cpu:.0f} CPU seconds so far")
    if args.record:
        record(args.record, command=f"python -m benchmarks.large --record {args.record}", metrics=metrics, data="sceneworld music-1m", protocol=split.protocol, seeds=[0], threads=args.threads, cpu_seconds=round(cpu))


if __name__ == "__main__":
    main()
