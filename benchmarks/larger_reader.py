"""Does a larger reader help scene fusion on the shop? SmolLM2's vectors beside MiniLM's and static ones, and as many axes without it.

    python -m benchmarks.larger_reader --record 06-larger-reader

Three systems that differ in their text vectors alone: the two readers of 06-amazon with 96 axes each; the same two with 144 axes each; three readers
with 96 axes each, so that the second and the third have equally many numbers an item.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.scene_fusion import WINDOWS, gaps, in_slices, over_its_seeds, side_by_side, two_readers
from benchmarks.withheld import larger_reader
from recsys_lib.data import load, temporal_split
from recsys_lib.language import item_texts
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.results import record

SLICES = (("known", "known"), ("known", "new"), ("withheld", "all"))
METRICS = ("ndcg10", "recall100", "pm_auc")


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--seeds", type=int, default=3)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log = load("amazon-fkb")
    split, texts, began = temporal_split(log), item_texts(log), time.perf_counter()
    two = two_readers(texts)
    three = (*two, larger_reader(texts))
    read = time.perf_counter() - began
    vectors = {name: side_by_side(readers, axes) for name, readers, axes in (("two readers", two, 96), ("two readers, more axes", two, 144), ("three readers", three, 96))}
    judged, _ = over_its_seeds({name: lambda seed, x=x: SceneFusion(x, windows=WINDOWS, seed=seed) for name, x in vectors.items()}, split, args.seeds)
    figures = {}
    for name, ours in judged.items():
        minus = {base: gaps(ours, judged[base], METRICS, SLICES) for base in judged if base != name}
        figures[name] = {"dimensions": vectors[name].shape[1], "slices": in_slices(ours, SLICES), "minus": minus}
    for metric in METRICS:
        print(metric, {base: {s: (round(g[metric]["difference"], 5), round(g[metric]["low"], 5)) for s, g in gap.items()} for base, gap in figures["three readers"]["minus"].items()})
    if args.record:
        record(args.record, command=f"python -m benchmarks.larger_reader --seeds {args.seeds} --record {args.record}", metrics=figures, data="amazon-fkb", protocol=split.protocol, seeds=list(range(args.seeds)), seconds_reading=round(read))


if __name__ == "__main__":
    main()
