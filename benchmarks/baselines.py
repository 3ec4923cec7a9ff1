"""Every baseline tuned on validation with one budget, then judged after T with intervals: the bar for all later work.

    python -m benchmarks.baselines amazon-fkb --record 03-amazon
    python -m benchmarks.baselines movielens-1m --record 03-movielens
    python -m benchmarks.baselines sceneworld --theme-share .8 --record 03-sceneworld-80

Each system gets at most 12 settings (the two that train by gradient six: they cost more time than all others together), chosen by NDCG@10 over all pairs of ``split.validation()``; what depends on a seed is trained
with five. The record is written after each system, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from recsys_lib.data import InteractionLog, Split, load, temporal_split
from recsys_lib.data.log import DAY, TIME
from recsys_lib.evaluation import Judgement, compare, judge, over_seeds
from recsys_lib.language import TextEncoder, item_texts, static_vectors
from recsys_lib.models.bpr import BPRMF
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.sasrec import SASRec
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.transitions import TransitionCounts
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import load_result, record, so_far

SEEDS = (0, 1, 2, 3, 4)
BAR = "popularity, tuned window"


def grid(**options: list) -> list[dict[str, Any]]:
    """All combinations of the options."""
    return [dict(zip(options, values, strict=True)) for values in product(*options.values())]


GRIDS: dict[str, list[dict[str, Any]]] = {
    "popularity, all time": [{}],
    BAR: grid(window=[3, 5, 7, 10, 14, 21, 30, 45, 60, 90, 180, 365]),
    "prior": grid(windows=[(14, 30, 90, 365), (7, 14, 30, 90, 365), (3, 7, 14, 30, 60, 90, 180, 365)], step=[7, 14], cuts=[6, 12]),
    "transitions": grid(steps=[1, 3, 10], decay=[0.5, 0.8], norm=[0.5, 1.0]),
    "item-kNN": grid(shrink=[0, 10, 50, 200], neighbours=[None, 200, 50]),
    "EASE": grid(lam=[20, 50, 100, 200, 500, 1000], most=[6_000, 12_000]),
    "mix: prior + item-kNN": grid(scale=[10, 50, 500], weight=[0.5, 1.0, 2.0, 4.0]),
    "mix: prior + transitions": grid(scale=[10, 50, 500], weight=[0.5, 1.0, 2.0, 4.0]),
    "mix: prior + item-kNN + EASE": grid(scale=[10, 50, 500], weight=[0.5, 1.0, 2.0, 4.0]),
    "text-kNN, static vectors": grid(half_life=[None, 365, 60], center=["none", "scene"], popularity=[0, 0.02]),
    "text-kNN, MiniLM": grid(half_life=[None, 365, 60], center=["none", "scene"], popularity=[0, 0.02]),
    "BPR-MF": grid(reg=[0.03, 0.06, 0.1], epochs=[40, 80]),
    "SASRec": grid(dropout=[0.2, 0.5], lr=[5e-4, 1e-3, 2e-3]),
}
SEEDED = ("BPR-MF", "SASRec")
MIXES = {"mix: prior + item-kNN", "mix: prior + transitions", "mix: prior + item-kNN + EASE"}  # their parts are fitted once, then mixed in other ways


def settings(run: str, name: str) -> dict[str, Any]:
    """The setting a recorded run chose for a system, as keyword arguments."""
    chosen = load_result(run)["metrics"][name]["setting"]
    return {k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()}


def build(name: str, setting: dict[str, Any], vectors: dict[str, np.ndarray], chosen: dict[str, dict[str, Any]], seed: int = 0) -> Any:
    """A system by its name. ``chosen``: the settings of the systems tuned before it, which a mix is made of."""
    prior, knn = (lambda: PopularityPrior(**chosen["prior"])), (lambda: ItemKNN(**chosen["item-kNN"]))
    makers: dict[str, Callable[..., Any]] = {
        "popularity, all time": Popularity, BAR: Popularity, "prior": PopularityPrior, "transitions": TransitionCounts, "item-kNN": ItemKNN, "EASE": EASE,
        "BPR-MF": lambda **k: BPRMF(seed=seed, **k),
        "SASRec": lambda **k: SASRec(**{"seed": seed, "loss": "sampled", "patience": 2} | k),
        "mix: prior + item-kNN": lambda **k: Mix(prior(), knn(), **k),
        "mix: prior + transitions": lambda **k: Mix(prior(), TransitionCounts(**chosen["transitions"]), **k),
        "mix: prior + item-kNN + EASE": lambda **k: Mix(Mix(prior(), knn(), **chosen["mix: prior + item-kNN"]), EASE(**chosen["EASE"]), **k),
        "text-kNN, static vectors": lambda **k: TextKNN(vectors["static"], **k), "text-kNN, MiniLM": lambda **k: TextKNN(vectors["MiniLM"], **k),
    }  # fmt: skip
    return makers[name](**setting)


def tune(name: str, trial: Split, vectors: dict[str, np.ndarray], chosen: dict[str, dict[str, Any]]) -> list[tuple[float, dict[str, Any]]]:
    """NDCG@10 on validation and setting, of every setting of the grid."""
    tried, fitted = [], None
    for setting in GRIDS[name]:
        if name == "SASRec" and trial.log.n_items < 10_000:  # of a larger catalogue the sum over all items takes too long
            setting = setting | {"loss": "softmax"}
        if fitted is None or name not in MIXES:
            fitted = build(name, setting, vectors, chosen)
            fit = {"validation": trial} if isinstance(fitted, SASRec) else {}
            fitted.fit(trial.train, trial.until, **fit)
        else:
            fitted.weight, fitted.scale = setting["weight"], setting["scale"]
        if isinstance(fitted, SASRec):
            setting = setting | {"epochs": fitted.best_epoch}
        tried.append((ndcg10(fitted, trial, most=len(trial.pairs)), setting))
        print(f"  {tried[-1][0]:.5f} {setting}", flush=True)
    return tried


def split_of(data: str, theme_share: float) -> tuple[InteractionLog, Split]:
    log = load(data, **({"theme_share": theme_share} if data == "sceneworld" else {}))
    return log, temporal_split(log)


def judged(name: str, split: Split, setting: dict[str, Any], vectors: dict[str, np.ndarray], chosen: dict[str, dict[str, Any]]) -> tuple[Judgement, float]:
    """The system with its chosen setting, fitted on training and judged after T, over its seeds; and seconds a fit."""
    runs, seconds = [], 0.0
    for seed in SEEDS if name in SEEDED else SEEDS[:1]:
        began = time.perf_counter()
        model = build(name, setting, vectors, chosen, seed).fit(split.train, split.until)
        seconds += time.perf_counter() - began
        runs.append(judge(model, split, name))
    return over_seeds(runs), seconds / len(runs)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data")
    args.add_argument("--theme-share", type=float, default=0.8)
    args.add_argument("--record", metavar="ID", required=True)
    args.add_argument("--skip", nargs="*", default=[], help="systems to leave out, by name")
    args = args.parse_args()
    log, split = split_of(args.data, args.theme_share)
    trial = split.validation()
    figures = so_far(args.record)
    texts = item_texts(log)
    vectors = {"static": static_vectors(texts, sif=1e-3), "MiniLM": TextEncoder().encode(texts)}
    chosen = {name: settings(args.record, name) for name in figures}
    bar = judged(BAR, split, chosen[BAR], vectors, chosen)[0] if BAR in figures else None
    options = f" --theme-share {args.theme_share}" if args.data == "sceneworld" else ""
    facts = {
        "command": f"python -m benchmarks.baselines {args.data}{options} --record {args.record}", "data": args.data + options, "protocol": split.protocol, "seeds": list(SEEDS),
        "pairs": split.pairs["kind"].value_counts().to_dict(), "items": log.n_items, "positives_a_pair": float(np.mean([len(p) for p in split.positives])),
        "days_asked": {"validation": (split.until - trial.until) / DAY, "test": (int(log.events[TIME].max()) - split.until) / DAY},
        "budget": "at most 12 settings a system (BPR-MF and SASRec six), chosen by NDCG@10 over all pairs of split.validation(); SASRec also stops there, at most 20 epochs",
    }  # fmt: skip
    for name in GRIDS:
        if name in figures or name in args.skip:
            continue
        print(name, flush=True)
        began = time.perf_counter()
        tried = tune(name, trial, vectors, chosen)
        chosen[name] = max(tried, key=lambda x: x[0])[1]
        tuning = time.perf_counter() - began
        ours, fitting = judged(name, split, chosen[name], vectors, chosen)
        bar = ours if name == BAR else bar
        slices = {f"{p} × {i}": row.dropna().to_dict() for (p, i), row in ours.summary().iterrows()}
        pairs = [tuple(key.split(" × ")) for key in slices]
        gaps = {f"{p} × {i}": {m: compare(ours, bar, m, p, i) for m in ("ndcg10", "recall100")} for p, i in pairs} if bar is not None and name != BAR else {}
        figures[name] = {
            "setting": chosen[name], "settings_tried": len(tried), "validation_ndcg10": max(tried, key=lambda x: x[0])[0], "seeds": len(SEEDS) if name in SEEDED else 1,
            "seconds_tuning": tuning, "seconds_fit": fitting, "seconds_score": ours.seconds, "facts": ours.facts.mean().to_dict(),
            "slices": slices, "against_tuned_popularity": gaps,
        }  # fmt: skip
        print(f"  → {chosen[name]}: known × all {ours.value(item='all'):.5f}, known × known {ours.value():.5f}", flush=True)
        record(args.record, metrics=figures, **facts)
    record(args.record, metrics=figures, **facts)


if __name__ == "__main__":
    main()
