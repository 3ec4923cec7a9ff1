"""How fast texts are encoded: ours and sentence-transformers, the same weights and texts, with equal vectors.

    python -m benchmarks.peers.encoding [--record peers-encoder] [--threads 1]

2,000 Amazon titles, at most 48 tokens each, on one and on two threads. sentence-transformers has its default batch size (32) and some others; it sorts by
length and pads, as it does by itself. Every measurement is a process of its own, the encoders take turns, and the least of the rounds goes: processor
seconds on one thread; seconds by the clock on two, where waiting threads spin and count as work. So measure two threads only on a machine that has nothing else
to do: beside other work they can be slower than one. Another number of threads is added to what is recorded.
Loading is not counted, tokenizing is. The peak of float32 matrix products is measured between the rounds, by the same clock.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch

from benchmarks.encoder import operations, peak
from benchmarks.peers.environment import run_script
from recsys_lib.data import load
from recsys_lib.data.sources import cache_dir
from recsys_lib.language import TextEncoder, item_texts
from recsys_lib.results import record, so_far
from recsys_lib.weights import folder_of

TOKENS, BATCHES = 48, (16, 32, 64)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of each row of ``a`` with the same row of ``b``: [n]."""
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args.add_argument("--texts", type=int, default=2000, help="how many titles (drawn with seed 0)")
    args.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args.add_argument("--rounds", type=int, default=2)
    args = args.parse_args()

    every = item_texts(load("amazon-fkb"))
    texts = [every[k] for k in np.random.default_rng(0).permutation(len(every))[: args.texts]]
    work = cache_dir() / "peers" / "encoding"
    work.mkdir(parents=True, exist_ok=True)
    (work / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    encoder = TextEncoder(max_tokens=TOKENS, device="cpu")
    setting = {"folder": str(folder_of(encoder.name, encoder.path)), "max_tokens": TOKENS}
    ways: dict[str, tuple[str, dict[str, Any]]] = {"ours": ("ours", setting)}
    ways |= {f"sentence-transformers, batch {b}": ("sentence-transformers", setting | {"batch_size": b}) for b in BATCHES}
    need = operations(encoder, np.array([len(ids) for ids in encoder.tokenizer(texts, truncation=True, max_length=TOKENS)["input_ids"]]))
    figures: dict[str, Any] = so_far(args.record) if args.record else {}
    for threads in args.threads:
        torch.set_num_threads(threads)
        key, clock = ("seconds", time.process_time) if threads == 1 else ("wall", time.perf_counter)
        best, took, held = peak(clock=clock), {way: [] for way in ways}, {}
        for _ in range(args.rounds):
            for way, (peer, options) in ways.items():
                run_script(peer, str(work / "texts.json"), json.dumps(options), str(work / "out.npz"), threads=threads, script="encode")
                with np.load(work / "out.npz") as out:
                    held[way] = {k: out[k] for k in out}
                took[way].append(float(held[way][key]))
            best = max(best, peak(clock=clock))
        ours = held["ours"]["vectors"]
        every_way = figures[f"{threads} threads" if threads > 1 else "1 thread"] = {"clock": "processor" if threads == 1 else "wall", "peak_gflops": best / 1e9, "encoders": {}}
        for way, times in took.items():
            least, same = min(times), cosines(ours, held[way]["vectors"])
            row = every_way["encoders"][way] = {
                "titles_per_second": len(texts) / least, "slowest_titles_per_second": len(texts) / max(times), "times_ours": min(took["ours"]) / least, "share_of_peak": need / least / best,
                "peak_gb": float(held[way]["peak_gb"]), "before_gb": float(held[way]["before_gb"]), "least_cosine_with_ours": float(same.min()), "version": str(held[way]["version"]),
            }  # fmt: skip
            print(f"{threads} threads, {way}: {row}", flush=True)
    if args.record:
        counts = " ".join(name.split()[0] for name in figures)
        record(args.record, command=f"python -m benchmarks.peers.encoding --record {args.record} --threads {counts}", metrics=figures, data="amazon-fkb", texts=len(texts), max_tokens=TOKENS, rounds=args.rounds, seeds=[0])


if __name__ == "__main__":
    main()
