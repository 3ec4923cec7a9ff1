"""SASRec here and SASRec in RecTools on MovieLens-1M, leave-one-out, full rank: how good, and after how many seconds.

    python -m benchmarks.peers.leave_one_out --record peers-leave-one-out

The last rating of each person is the test and the one before it the validation, as in published tables; this leaks time, and stands here to be
compared with them. Three of four ratings share their second with another rating of the same person. A sort by time alone leaves those as the file has
them, as published tables usually do, and so does this run; ``transitions`` shows what that order is worth. Each system learns for at most so many minutes of processor time, or for its setting's ``epochs``,
an epoch at a time. As in the runs that RecTools' published figures come from, the last but one rating of 2,048 people drawn by chance is the validation, and everyone
else's is trained on; the epoch with the best NDCG@10 on the validation is judged on the test of everyone, with the validation rating added to the past that it
reads. A system that has learned for those minutes with the same setting is not run again; its row says at which commit it did. ``memory_again`` of the widest row, put in by hand, is of its first
epochs with a later version of the library, learned in the same way for nine minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environment import run_script
from benchmarks.peers.exchange import export, of_lists
from recsys_lib.data import InteractionLog, Split, leave_one_out, load
from recsys_lib.data.log import TIME, USER
from recsys_lib.data.sources import cache_dir
from recsys_lib.evaluation import Judgement, compare, judge
from recsys_lib.metrics import list_ndcg
from recsys_lib.models.transitions import TransitionCounts
from recsys_lib.results import commit, record


@dataclass(frozen=True)
class Run:
    """``minutes``: at most, the processor's, on one thread."""

    setting: dict[str, Any]
    minutes: float


RUNS: dict[str, dict[str, Run]] = {
    "ours": {
        "SASRec": Run({"dim": 64, "max_len": 200, "batch": 32, "dropout": 0.2}, 8),
        "SASRec, wider": Run({"dim": 128, "max_len": 200, "batch": 32, "dropout": 0.3, "amp": True, "decay": True, "epochs": 30}, 60),
        "SASRec, wider, as coded": Run({"dim": 128, "max_len": 200, "batch": 32, "dropout": 0.3, "amp": True, "decay": True, "as_coded": True, "epochs": 30}, 60),
        "SASRec, 256 wide, as coded": Run({"dim": 256, "heads": 4, "max_len": 200, "batch": 64, "dropout": 0.3, "amp": True, "decay": True, "as_coded": True, "epochs": 60}, 60),
    },
    "rectools": {"SASRec": Run({"n_factors": 64, "n_heads": 1, "session_max_len": 200, "batch_size": 32}, 8)},
}
"""The two SASRecs have the same sizes, small enough for a processor; all else, the full softmax among it, is each library's default. The wider ones of ours had at most
an hour of one thread. RecTools' own sizes (256 dimensions, 4 heads, batches of 128) are for a GPU; ``PUBLISHED`` are the figures its authors
print, not run here. The widest one of ours has these dimensions and heads."""
PUBLISHED = {"ndcg10": 0.1779, "recall10": 0.3058, "source": "https://github.com/blondered/bert4rec_repro"}
VALIDATED = 2_048
METRICS = ("ndcg10", "recall10")


def in_order_of_the_file(log: InteractionLog) -> InteractionLog:
    """The log with places in place of times: by time, and at equal times by place in the source's file."""
    place = np.empty(len(log.events), np.int64)
    place[np.lexsort((log.events["place"], log.events[TIME]))] = np.arange(len(place))
    return replace(log, events=log.events.assign(**{TIME: place}))


def shared_second(log: InteractionLog) -> float:
    """The share of ratings that have another rating of the same person in the same second."""
    return float(log.events.duplicated([USER, TIME], keep=False).mean())


def learn(peer: str, run: Run, work: Path, out: Path) -> None:
    """Let the script learn, unless it has."""
    asked, done = json.dumps(asdict(run)), out / "done.json"
    if done.is_file() and done.read_text() == asked:
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run_script(peer, str(work / "validation.npz"), str(work / "test.npz"), json.dumps(run.setting), "0", str(run.minutes), str(out), script="watch")
    (out / "learned.json").write_text(json.dumps({"commit": commit(), "date": datetime.date.today().isoformat()}))
    done.write_text(asked)


def read(out: Path, split: Split, trial: Split, name: str) -> tuple[Judgement, dict[str, Any]]:
    """The curve of a run, and its best epoch on the test."""
    facts = json.loads((out / "facts.json").read_text())
    curve = []
    for epoch, seconds in enumerate(np.cumsum(facts.pop("seconds")).tolist(), 1):
        with np.load(out / f"epoch_{epoch}.npz") as lists:
            curve.append({"epoch": epoch, "seconds": seconds, "ndcg10": float(list_ndcg(lists["validation"], trial.positives).mean())})
    best = max(curve, key=lambda point: point["ndcg10"])
    with np.load(out / f"epoch_{best['epoch']}.npz") as lists:
        judged = judge(of_lists(lists["test"], split), split, name)
    return judged, facts | {"best_epoch": best["epoch"], "validation_ndcg10": best["ndcg10"], "curve": curve}


def figures_of(judged: Judgement) -> dict[str, float]:
    """NDCG@10 and Recall@10 with intervals."""
    return judged.summary(METRICS).loc[("known", "all")].to_dict()


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log, work = load("movielens-1m"), cache_dir() / "peers" / "movielens-1m-leave-one-out"
    split = leave_one_out(in_order_of_the_file(log))
    trial = leave_one_out(split.train, np.random.default_rng(0).choice(log.n_users, VALIDATED, replace=False))
    export(split, work / "test.npz")
    export(trial, work / "validation.npz")
    judged, figures = {}, {}
    for peer, runs in RUNS.items():
        for model, run in runs.items():
            name = f"{peer}: {model}"
            learn(peer, run, work, work / name)
            judged[name], facts = read(work / name, split, trial, name)
            figures[name] = figures_of(judged[name]) | facts | asdict(run) | {"learned": json.loads((work / name / "learned.json").read_text())}
            print(name, {k: v for k, v in figures[name].items() if k != "curve"}, flush=True)
    ours = "ours: SASRec"
    for name in [name for name in judged if not name.startswith("ours")]:
        level = min(figures[one]["validation_ndcg10"] for one in (ours, name))
        seconds = [next(p["seconds"] for p in figures[one]["curve"] if p["ndcg10"] >= level) for one in (ours, name)]
        figures[name] |= {"ours_minus": {m: compare(judged[ours], judged[name], m, item="all") for m in METRICS}, "same_ndcg10": {"level": level, "ours": seconds[0], "theirs": seconds[1]}}
        print(name, figures[name]["ours_minus"], figures[name]["same_ndcg10"], flush=True)
    paper, code = ("ours: SASRec, wider", "ours: SASRec, wider, as coded")
    figures[code]["minus_paper"] = {m: compare(judged[code], judged[paper], m, item="all") for m in METRICS}
    for kind, one in (("order of the file", split), ("order by hash", leave_one_out(log))):
        figures[f"transitions, {kind}"] = figures_of(judge(TransitionCounts().fit(one.train), one, kind))
    if args.record:
        record(args.record, command=f"python -m benchmarks.peers.leave_one_out --record {args.record}", metrics=figures, data="movielens-1m",
               protocol=split.protocol + "; ties of time in the order of the file", threads=1, published=PUBLISHED, seeds=[0], people=len(split.pairs), validated=VALIDATED, shared_second=shared_second(log))  # fmt: skip


if __name__ == "__main__":
    main()
