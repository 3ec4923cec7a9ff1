"""How fast are texts encoded, and how much of the machine is used?

    python benchmarks/encoder.py                      2,000 Amazon titles, on one and on two threads
    python benchmarks/encoder.py --texts 35452        all of them (minutes)
    python benchmarks/encoder.py --record encoder     also writes data/results/encoder.json

Printed per number of threads: the measured peak of float32 matrix products; titles per second with our exact-length
batches, with length-sorted padded batches and with unsorted padded batches of 32, each as a share of that peak. At the
end: bytes of the cache and the time to read it. Repeats are interleaved, the median is shown with the range.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from recsys_lib.data import load, load_if_reachable
from recsys_lib.language import TextEncoder, item_texts
from recsys_lib.vector_cache import VectorCache


def peak(size: int = 2048, repeats: int = 15, clock: Callable[[], float] = time.perf_counter) -> float:
    """Best of several square float32 matrix products, in floating-point operations a second of ``clock``."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(seconds(lambda: a @ b, clock) for _ in range(repeats))


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    began = clock()
    work()
    return clock() - began


def operations(encoder: TextEncoder, lengths: np.ndarray) -> float:
    """Floating-point operations in the matrix products that texts of these lengths need, without any padding."""
    c = encoder.model.config
    weights = c.num_hidden_layers * (4 * c.hidden_size**2 + 2 * c.hidden_size * c.intermediate_size)
    return float((2 * weights * lengths + 4 * c.num_hidden_layers * c.hidden_size * lengths.astype(float) ** 2).sum())


def padded(encoder: TextEncoder, texts: list[str], batch: int = 32) -> None:
    """The usual way: fixed batches, padded to their longest text."""
    with torch.inference_mode():
        for k in range(0, len(texts), batch):
            x = encoder.tokenizer(texts[k : k + batch], truncation=True, max_length=encoder.max_tokens, padding=True, return_tensors="pt")
            hidden, mask = encoder.model(**x).last_hidden_state, x["attention_mask"][:, :, None]
            (hidden * mask).sum(1) / mask.sum(1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--texts", type=int, default=2000, help="how many titles (drawn with seed 0)")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--record", metavar="ID", help="write a recorded run of this name")
    options = options.parse_args()

    log = load_if_reachable("amazon-fkb") or load("sceneworld", preset="tiny")
    every = item_texts(log)
    texts = [every[k] for k in np.random.default_rng(0).permutation(len(every))[: options.texts]]
    encoder = TextEncoder(device="cpu")
    lengths = np.array([len(ids) for ids in encoder.tokenizer(texts, truncation=True, max_length=encoder.max_tokens)["input_ids"]])
    by_length = [texts[k] for k in np.argsort(-lengths, kind="stable")]
    need = operations(encoder, lengths)
    ways = {
        "exact lengths": lambda: encoder.encode(texts, cache=False, show_progress=False),
        "sorted, padded": lambda: padded(encoder, by_length),
        "unsorted, padded": lambda: padded(encoder, texts),
    }
    print(f"{len(texts):,} texts of {log.name}, {lengths.mean():.1f} tokens each ({need / len(texts) / 1e9:.2f} GFLOP a text), {torch.__version__}")
    metrics: dict[str, float] = {}
    for threads in options.threads:
        torch.set_num_threads(threads)
        padded(encoder, texts[:64])  # warm up
        took: dict[str, list[float]] = {way: [] for way in ways}
        best = peak()
        for _ in range(options.repeats):
            for way, work in ways.items():
                took[way].append(seconds(work))
            best = max(best, peak(repeats=3))
        print(f"{threads} thread{'s' * (threads > 1)}: matrix products reach {best / 1e9:.0f} GFLOP/s")
        metrics[f"peak_gflops_{threads}"] = best / 1e9
        for way, times in took.items():
            rate, share = len(texts) / np.median(times), need / np.median(times) / best
            print(f"  {way:17s} {rate:6.0f} titles/s  ({len(texts) / max(times):.0f} to {len(texts) / min(times):.0f}), {share:4.0%} of the peak")
            metrics[f"{way.replace(', ', '_').replace(' ', '_')}_titles_per_second_{threads}"] = float(rate)
            metrics[f"{way.replace(', ', '_').replace(' ', '_')}_share_of_peak_{threads}"] = float(share)
    with tempfile.TemporaryDirectory() as folder:
        encoder.cache = VectorCache(folder)
        encoder.encode(texts, show_progress=False)
        encoder.cache = VectorCache(folder)
        warm = seconds(lambda: encoder.encode(texts, show_progress=False))
        size = encoder.cache.bytes()
    print(f"cache: {size:,} bytes ({size / len(texts):.0f} a text); reading it back takes {warm * 1000:.0f} ms")
    metrics |= {"cache_bytes": size, "cache_bytes_per_text": size / len(texts), "cache_read_seconds": warm}
    if options.record:
        from recsys_lib.results import record

        record(options.record, command="python " + " ".join(sys.argv), metrics=metrics, texts=len(texts), data=log.name, seeds=[0])


if __name__ == "__main__":
    main()
