"""MovieLens-1M: what EASE costs and what bounds it, what judging costs, and two leave-one-out figures.

    python -m benchmarks.movielens [--record 03-leave-one-out]

Leave-one-out leaks time (other people's later events are in training); it stands here only to compare with published tables.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from recsys_lib.data import leave_one_out, load
from recsys_lib.evaluation import judge
from recsys_lib.models.ease import EASE
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.transitions import TransitionCounts
from recsys_lib.results import record


def product_peak(dtype: torch.dtype, n: int = 3000) -> float:
    """The machine's best measured rate of a square matrix product, in GFLOP/s."""
    a, best = torch.rand(n, n, dtype=dtype), 0.0
    for _ in range(3):
        began = time.perf_counter()
        a @ a
        best = max(best, 2e-9 * n**3 / (time.perf_counter() - began))
    return best


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    split, cost, figures = leave_one_out(load("movielens-1m")), {}, {}
    for dtype, kind in ((np.float32, torch.float32), (np.float64, torch.float64)):
        began = time.perf_counter()
        ease = EASE(500, dtype=dtype).fit(split.train)
        seconds, n = time.perf_counter() - began, len(ease.kept)
        rate, peak = 1e-9 * n**3 / ease.seconds_inverse, product_peak(kind)  # potrf + potri: n³ floating-point operations
        cost[np.dtype(dtype).name] = {"items": n, "seconds_fit": seconds, "seconds_inverse": ease.seconds_inverse, "gflops": rate, "product_peak_gflops": peak}
        print(f"EASE {np.dtype(dtype).name}: {n} items, fit {seconds:.2f} s, of which the inverse {ease.seconds_inverse:.2f} s at {rate:.0f} GFLOP/s; a matrix product reaches {peak:.0f}")
    systems = {"popularity": Popularity(), "EASE": EASE(500), "transitions": TransitionCounts()}
    for name, model in systems.items():
        model.fit(split.train)
        began = time.perf_counter()
        ours = judge(model, split, name)
        seconds = time.perf_counter() - began - ours.seconds
        figures[name] = ours.summary().loc[("known", "all")].to_dict() | {"seconds_judging": seconds}
        print(f"{name}: NDCG@10 {ours.value(item='all'):.4f}, Recall@10 {ours.value('recall10', item='all'):.4f}; judging {len(split.pairs)} people {seconds:.2f} s beside {ours.seconds:.2f} s of scoring")
    if args.record:
        record(args.record, command=f"python -m benchmarks.movielens --record {args.record}", metrics={"systems": figures, "ease": cost}, data="movielens-1m", protocol=split.protocol, threads=torch.get_num_threads())


if __name__ == "__main__":
    main()
