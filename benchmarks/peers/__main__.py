"""Other libraries beside ours, on our splits and by our judge, one thread and one process a fit. Seconds are the processor's.

    python -m benchmarks.peers movielens-1m ours implicit --record peers-movielens-1m

Each library is installed in an environment of its own the first time (``$RECSYS_CACHE/peers/<name>``, from ``<name>.txt`` here). A model may try the
settings of ``plans.py``; the one with the highest NDCG@10 over all pairs of ``split.validation()`` is fitted again on training and judged after T. Some of ours have a second row whose choice is made by the people with a past alone.
Ours take the settings that the recorded run of :mod:`benchmarks.baselines` chose in the same way, where it knows them. Each is compared with
ours of the same name, once both have been judged. Of ``music-1m`` 6,000 questions are drawn by chance. The record is written after each model, and a run that was stopped goes on where it was; ours are fitted
again where their values are not at hand, as on another machine. Rows may be of several days: each says at which commit and when it was ``measured``.
"""

from __future__ import annotations

import argparse
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.baselines import settings
from benchmarks.peers.environment import fit, fit_and_ask
from benchmarks.peers.exchange import Scores, export
from benchmarks.peers.plans import PLANS, Plan
from recsys_lib.data import Split, load, temporal_split
from recsys_lib.data.sources import cache_dir
from recsys_lib.evaluation import Judgement, compare, judge, over_seeds
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import commit, record, so_far
from recsys_lib.transfer import asked

BASELINES = {"movielens-1m": "03-movielens", "amazon-fkb": "03-amazon", "music-1m": None}
SLICES = [("known", "all"), ("known", "known"), ("known", "new"), ("withheld", "all")]
METRICS = ("ndcg10", "recall100")
ROUNDING = 0.01
"""The share of NDCG@10 that a refit may differ by on another machine, whose sums are rounded otherwise. More, and the values at hand are another setting's."""


def tune(peer: str, model: str, plan: Plan, trial: Split, work: Path) -> list[tuple[float, dict[str, Any], float]]:
    """NDCG@10 on validation, setting, and seconds of the fit, of every setting."""
    tried, judges = [], asked(trial, (trial.pairs["kind"] == "known").to_numpy()) if plan.known else trial
    for setting in plan.settings:
        for folder, facts in fit(peer, work / "validation.npz", model, setting, 0, work / f"scores {peer}").items():
            stop = {"epochs": int(folder.name)} if folder != work / f"scores {peer}" else {}
            tried.append((ndcg10(Scores(folder, trial), judges, most=len(judges.pairs)), setting | stop, facts["seconds_fit"]))
            print(f"  {tried[-1][0]:.5f} {tried[-1][1]} {facts['seconds_fit']:.1f} s", flush=True)
    return tried


def drawn(split: Split, most: int = 6_000) -> Split:
    """The same training and ``most`` of its questions, drawn by chance."""
    return asked(split, np.isin(np.arange(len(split.pairs)), np.random.default_rng(0).permutation(len(split.pairs))[:most]))


def kept(judgement: Judgement, path: Path) -> None:
    """Keep the per-pair values, for a paired difference in a later run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    judgement.pairs.to_parquet(path)


def again(name: str, split: Split, path: Path) -> Judgement:
    """A judgement that :func:`kept` wrote: its pairs only."""
    return Judgement(name, split.protocol, pd.read_parquet(path), None, None, 0.0, 0)


def at_hand(name: str, recorded: dict[str, Any], split: Split, folder: Path) -> Judgement | None:
    """The values of a recorded model that this machine kept; None where it has none, or another setting's."""
    path, told = folder / f"{name}.parquet", recorded["slices"]["known × all"]["ndcg10"]
    held = again(name, split, path) if path.is_file() else None
    return held if held is not None and abs(held.value(item="all") - told) <= ROUNDING * told else None


def stand_beside(figures: dict[str, Any], split: Split, folder: Path) -> None:
    """Add to each model of a peer the paired difference to ours of the same name, where the values of both are at hand."""
    for name, one in figures.items():
        if name != (mine := f"ours: {one['ours']}") and "minus_ours" not in one and mine in figures:
            a, b = (at_hand(each, figures[each], split, folder) for each in (name, mine))
            if a is None or b is None:
                continue
            there = [(p, i) for p, i in SLICES if f"{p} × {i}" in one["slices"]]
            one["minus_ours"] = {f"{p} × {i}": {m: {k: v for k, v in compare(a, b, m, p, i).items() if v == v} for m in METRICS} for p, i in there}


def measured(peer: str, model: str, setting: dict[str, Any], seeds: range, split: Split, work: Path) -> tuple[Judgement, dict[str, Any]]:
    """Fit on training with each seed and judge; the mean of seconds, the most of memory."""
    runs, facts = [], []
    for seed in seeds:
        facts.append(fit_and_ask(peer, work / "test.npz", model, setting, seed, work / f"scores {peer}"))
        runs.append(judge(Scores(work / f"scores {peer}", split), split, f"{peer}: {model}"))
    table = pd.DataFrame(facts)
    mean = table[["seconds_fit", "wall_fit", "seconds_score", "before_gb"]].mean().to_dict()
    return over_seeds(runs), {"version": table.version[0], "seeds": len(runs), **mean, "peak_gb": float(table.peak_gb.max())}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data", choices=list(BASELINES))
    args.add_argument("peers", nargs="+", choices=list(PLANS))
    args.add_argument("--seeds", type=int, default=3, help="of what depends on a seed, at most")
    args.add_argument("--only", nargs="*", help="models, by name; all of them if left out")
    args.add_argument("--record", metavar="ID", required=True)
    args = args.parse_args()
    work, figures = cache_dir() / "peers" / args.data, so_far(args.record)
    split = temporal_split(load("sceneworld", preset="music-1m") if args.data == "music-1m" else load(args.data))
    trial = split.validation()
    if args.data == "music-1m":
        split, trial = drawn(split), drawn(trial)
    export(split, work / "test.npz")
    export(trial, work / "validation.npz")
    for peer in args.peers:
        for model, plan in PLANS[peer].items():
            name = f"{peer}: {model}"
            there = name in figures and (peer != "ours" or at_hand(name, figures[name], split, work / "judged") is not None)
            if there or (args.only and model not in args.only):
                continue
            print(name, flush=True)
            baseline = BASELINES[args.data]
            if baseline and peer == "ours" and model == plan.ours:
                chosen, tuning = settings(baseline, model), {"settings_from": baseline}
            else:
                tried = tune(peer, model, plan, trial, work)
                best, chosen, _ = max(tried, key=lambda x: x[0])
                tuning = {"settings_tried": len(tried), "validation_ndcg10": best, "validation": [{"ndcg10": v, "setting": s, "seconds_fit": t} for v, s, t in tried]}
            theirs, facts = measured(peer, model, chosen, range(min(args.seeds, plan.seeds) if plan.seeded else 1), split, work)
            kept(theirs, work / "judged" / f"{name}.parquet")
            slices = {f"{p} × {i}": row.dropna().to_dict() for (p, i), row in theirs.summary().iterrows()}
            figures[name] = {"library": peer, "model": model, "ours": plan.ours, "setting": chosen, **tuning, **facts, "measured": {"commit": commit(), "date": date.today().isoformat()}, "slices": slices}
            for one in figures.values():
                if peer == "ours" and one["ours"] == model:
                    one.pop("minus_ours", None)  # it was to the fit before this one
            stand_beside(figures, split, work / "judged")
            print(f"  → {chosen}: known × all {theirs.value(item='all'):.5f}, fit {facts['seconds_fit']:.1f} s, {facts['peak_gb']:.2f} GiB", flush=True)
            record(
                args.record, command=f"python -m benchmarks.peers {args.data} {' '.join(dict.fromkeys(one['library'] for one in figures.values()))} --seeds {max(one['seeds'] for one in figures.values())} --record {args.record}", metrics=figures, data=args.data, protocol=split.protocol, threads=1,
                pairs=split.pairs["kind"].value_counts().to_dict(), items=split.log.n_items, events=len(split.train.events),
                budget="at most 12 settings a model, six where it is trained step by step, chosen by NDCG@10 over all pairs of split.validation()",
            )  # fmt: skip
    for peer in args.peers:
        shutil.rmtree(work / f"scores {peer}", ignore_errors=True)


if __name__ == "__main__":
    main()
