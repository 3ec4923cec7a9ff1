"""The shop's scene fusion mixed with item-kNN in two steps: item-kNN as chapter 03 chose it alone, then only the weight and scale of the mix. One thread, about half an hour.

    python -m benchmarks.two_steps --record 06-two-steps

The system of 06-amazon was tuned as one, for the first ten. Here item-kNN's own setting stays, as in the rival that chapter 03 recorded; weight and scale come from the same
lists, by NDCG@10 over all questions of ``split.validation()``. All systems that read share the same fits of scene fusion, one a seed. The rivals without a language model count only.
"""

from __future__ import annotations

import argparse

from benchmarks.baselines import build, settings
from benchmarks.baselines import judged as tuned
from benchmarks.scene_fusion import (
    AS_ONE,
    BARS,
    BOTH,
    RIVAL,
    SEEDS,
    UNTUNED,
    WINDOWS,
    gaps,
    in_slices,
    side_by_side,
    tuned_as_one,
    two_readers,
)
from recsys_lib.data import load, temporal_split
from recsys_lib.evaluation import judge, over_seeds
from recsys_lib.language import item_texts
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.results import load_result, record

TWO = f"{BOTH}, in two steps"
SLICES = [("known", "all"), ("known", "known"), ("known", "new"), ("withheld", "all")]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log, whole = load("amazon-fkb"), load_result("06-amazon")
    split, texts = temporal_split(log), item_texts(log)
    trial, chosen = split.validation(), {name: settings("03-amazon", name) for name in load_result("03-amazon")["metrics"]}
    vectors = side_by_side(two_readers(texts), whole["settings"]["axes"])
    judged = {name: tuned(name, split, chosen[name], {}, chosen)[0] for name in BARS}
    for weight in (1, 2):
        judged[UNTUNED.format(weight)] = judge(Mix(PopularityPrior(windows=(14, 30, 90, 365)), ItemKNN(), weight, 50).fit(split.train, split.until), split)
    one, its = whole["settings"], whole["rival"]
    judged[RIVAL] = judge(Mix(build("prior", chosen["prior"], {}, chosen), ItemKNN(**its["knn"]), its["weight"], its["scale"]).fit(split.train, split.until), split)
    reader = SceneFusion(vectors, windows=WINDOWS).fit(trial.train, trial.until)
    two = tuned_as_one({"scene fusion": reader}, trial, knns=[chosen["item-kNN"]])["scene fusion"]
    near = {name: ItemKNN(**knobs).fit(split.train, split.until) for name, knobs in ((TWO, two["knn"]), (BOTH, one["knn"]))}
    runs: dict[str, list] = {}
    for seed in SEEDS:
        fusion = SceneFusion(vectors, windows=WINDOWS, seed=seed).fit(split.train, split.until)
        mixes = {TWO: Mix(fusion, near[TWO], two["weight"], two["scale"]), BOTH: Mix(fusion, near[BOTH], one["weight"], one["scale"])}
        for name, model in (mixes | {"scene fusion": fusion}).items():
            runs.setdefault(name, []).append(judge(model, split, name))
            print(seed, name, *(round(runs[name][-1].value(m, item="known"), 5) for m in ("ndcg10", "recall100")), flush=True)
    judged |= {name: over_seeds(run) for name, run in runs.items()}
    figures = {}
    for name, ours in judged.items():
        bars = [bar for bar in judged if name == TWO and bar != TWO]
        figures[name] = {"slices": in_slices(ours, SLICES), "against": {bar: gaps(ours, judged[bar], ("ndcg10", "recall100"), SLICES) for bar in bars}}
    for bar, gap in figures[TWO]["against"].items():
        print(bar, {m: [round(gap["known × known"][m][end], 4) for end in ("difference", "low", "high")] for m in ("ndcg10", "recall100")}, flush=True)
    if args.record:
        record(args.record, command=f"python -m benchmarks.two_steps --record {args.record}", metrics=figures, data="amazon-fkb", protocol=split.protocol, seeds=list(SEEDS), settings=two,
               budget=f"{len(AS_ONE['scale']) * len(AS_ONE['weight'])} settings of the mix on split.validation(); item-kNN's and the rivals' as their runs chose them", threads=1)  # fmt: skip


if __name__ == "__main__":
    main()
