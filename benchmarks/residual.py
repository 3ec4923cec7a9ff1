"""An item's own learned residual beside its text in scene fusion, on the shop: for whom is it worth its place? One thread, about twenty minutes.

    python -m benchmarks.residual --record 06-residual

All is as in 06-amazon's scene fusion, without item-kNN beside it, three seeds. In each batch a share ``id_drop`` of the items goes without its residual, so that a text alone stays readable;
an item that nobody has taken has none. Two shares are tried and both are shown: nothing is chosen.
"""

from __future__ import annotations

import argparse

from benchmarks.scene_fusion import WINDOWS, gaps, in_slices, over_its_seeds, side_by_side, two_readers
from recsys_lib.data import load, temporal_split
from recsys_lib.language import item_texts
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.results import load_result, record

SLICES = [("known", "all"), ("known", "known"), ("known", "new"), ("withheld", "all")]
METRICS = ("ndcg10", "recall100", "pm_auc")
PLAIN = "text alone"
SYSTEMS = {PLAIN: {}, "a residual beside it, dropped for 30 %": {"ids": True, "id_drop": 0.3}, "a residual beside it, dropped for 70 %": {"ids": True, "id_drop": 0.7}}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--seeds", type=int, default=3)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log = load("amazon-fkb")
    split, texts = temporal_split(log), item_texts(log)
    vectors = side_by_side(two_readers(texts), load_result("06-amazon")["settings"]["axes"])
    judged, seconds = over_its_seeds({name: lambda seed, options=options: SceneFusion(vectors, windows=WINDOWS, seed=seed, **options) for name, options in SYSTEMS.items()}, split, args.seeds)
    figures = {}
    for name, ours in judged.items():
        minus = gaps(ours, judged[PLAIN], METRICS, SLICES) if name != PLAIN else {}
        figures[name] = {"slices": in_slices(ours, SLICES), "minus text alone": minus, "seconds_fit": seconds[name]}
        print(name, {s: {m: [round(c[end], 4) for end in ("difference", "low", "high")] for m, c in gap.items()} for s, gap in minus.items()}, flush=True)
    if args.record:
        record(args.record, command=f"python -m benchmarks.residual --seeds {args.seeds} --record {args.record}", metrics=figures, data="amazon-fkb", protocol=split.protocol,
               seeds=list(range(args.seeds)), budget="none: two shares, both shown; all else as 06-amazon", threads=1)  # fmt: skip


if __name__ == "__main__":
    main()
