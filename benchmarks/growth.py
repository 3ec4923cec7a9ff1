"""How time and memory grow: each stage at a few sizes, equally far apart in the logarithm, and the slope on a log-log plot.

    python -m benchmarks.growth --record growth                              all stages, about an hour of one thread; 10 GiB of memory
    python -m benchmarks.growth --record growth --only "top-k of scores"     some of them; what was measured already stays
    python -m benchmarks.growth --record growth --again "exact search"       measure once more; the earlier figures stand beside it as ``before``

Every point is a process of its own on one thread. Seconds are the processor's; memory is the most that the process held while it worked, above what it held
before (Linux; where a container does not let that be measured, the record has null). Loading the data is not counted. The slope is a least-squares line through the logarithms of the three largest sizes; memory below 4 MiB is not
fitted. A size whose time, going on at the slope so far, or at the least that the arithmetic asks for, would pass ``--limit`` seconds is left out, and so are all above it; the record names them.

The worlds are SceneWorld's: 2,000 items a scene where it is the events that grow, 316,228 events where it is the items, and a person for every 20 events. Here each
impression counts as an event, clicked or not, which changes what is learned and not what it costs. Training is one epoch. Scene fusion reads random vectors, for
the same reason.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.environment import THREADS
from benchmarks.peers.peer import peak_gb, status_gb
from recsys_lib.data import InteractionLog, load, temporal_split
from recsys_lib.data.sceneworld import make_world
from recsys_lib.data.sources import cache_dir
from recsys_lib.evaluation import METRICS, Judgement, judge
from recsys_lib.language import TextEncoder, item_texts, unit
from recsys_lib.results import load_result, record, so_far

Work = Callable[[], object]
ITEMS = (125, 680, 3_700, 20_000)  # a scene; five scenes, and at most 500 of each of the three that are only described
LEAST = 4 / 1024  # GiB


def powers(*exponents: float) -> tuple[int, ...]:
    """10 to each power, rounded."""
    return tuple(int(round(10**e)) for e in exponents)


EVENTS = powers(5, 5.5, 6, 6.5, 7)


def store(events: int, items: int) -> Path:
    """The folder in whose only subfolder a world lies, or will lie."""
    return cache_dir() / "growth" / f"{events}-{items}"


def generate(events: int, items: int) -> None:
    make_world("xl-10m", users=max(20, events // 20), items=items, target=events, cache=store(events, items))


def world(events: int, items: int) -> InteractionLog:
    """The impressions of a world that lies on disk, as a log's events: codes only, no texts."""
    parts = sorted(store(events, items).glob("*/impressions-*.parquet"))
    table = pd.concat([pd.read_parquet(p, columns=["user", "item", "scene", "time"]) for p in parts], ignore_index=True)
    scene = np.concatenate([pd.read_parquet(p, columns=["scene"])["scene"] for p in sorted(parts[0].parent.glob("items-*.parquet"))])
    names = [f"scene {s}" for s in range(int(scene.max()) + 1)]
    return InteractionLog(
        pd.DataFrame(index=range(max(20, events // 20))), pd.DataFrame({"scene": scene.astype(np.int16), "title": ""}),
        pd.DataFrame({"name": names, "description": ""}), table.sort_values(["time", "user", "item"], kind="stable", ignore_index=True),
    )  # fmt: skip


def generating_whole(events: int, items: int) -> tuple[int, Work]:
    return events, lambda: make_world("default", users=max(20, events // 20), items=items, target=events)


def generating_in_parts(events: int, items: int) -> tuple[int, Work]:
    shutil.rmtree(store(events, items), ignore_errors=True)
    return events, lambda: generate(events, items)


def encoding(texts: int) -> tuple[int, Work]:
    every = list(dict.fromkeys(item_texts(load("amazon-fkb"))))
    some, encoder = [every[k] for k in np.random.default_rng(0).permutation(len(every))[:texts]], TextEncoder(device="cpu")
    encoder.encode(some[:8], cache=False, show_progress=False)
    return len(some), lambda: encoder.encode(some, cache=False, show_progress=False)


def model(name: str, n_items: int) -> Any:
    """A model that has not been fitted."""
    if name == "popularity prior":
        from recsys_lib.models.popularity import PopularityPrior

        return PopularityPrior()
    if name.startswith("item-kNN"):
        from recsys_lib.models.itemknn import ItemKNN

        return ItemKNN(neighbours=200 if "200" in name else None)
    if name == "EASE":
        from recsys_lib.models.ease import EASE

        return EASE()
    if name == "BPR-MF":
        from recsys_lib.models.bpr import BPRMF

        return BPRMF(epochs=1)
    if name == "SASRec":
        from recsys_lib.models.sasrec import SASRec

        return SASRec(loss="sampled", epochs=1, device="cpu")
    from recsys_lib.models.scene_fusion import SceneFusion

    return SceneFusion(unit(np.random.default_rng(0).standard_normal((n_items, 64), dtype=np.float32)), epochs=1, device="cpu")


def training(name: str, by: str) -> Callable[[int, int], tuple[int, Work]]:
    def prepare(events: int, items: int) -> tuple[int, Work]:
        log = world(events, items)
        fresh = model(name, log.n_items)
        return len(log.events) if by == "events" else log.n_items, lambda: fresh.fit(log)

    return prepare


def judging(by: str) -> Callable[[int, int], tuple[int, Work]]:
    def prepare(events: int, items: int) -> tuple[int, Work]:
        from recsys_lib.models.popularity import Popularity

        log = world(events, items)
        split = temporal_split(log)
        if by == "items":  # equally many questions whatever the catalogue
            split = replace(split, pairs=split.pairs[:4_000], positives=split.positives[:4_000])
        prior = Popularity().fit(split.train)
        return len(split.pairs) if by == "questions" else log.n_items, lambda: judge(prior, split)

    return prepare


def intervals(questions: int) -> tuple[int, Work]:
    """Of one kind of person and item, four metrics; each person is asked in three scenes."""
    at = np.arange(questions)
    table = pd.DataFrame({"user": at // 3, "scene": at % 3, "person": "known", "item": "all"} | {m: np.random.default_rng(0).random(questions) for m in METRICS})
    return questions, Judgement("drawn", "none", table, None, None, 0.0, 0).summary


def best_scores(items: int) -> tuple[int, Work]:
    from recsys_lib.metrics import top_k

    scores = np.random.default_rng(0).random((64, items), dtype=np.float32)
    return items, lambda: top_k(scores, 10)


def nearest(items: int) -> tuple[int, Work]:
    from recsys_lib.ann import Index

    vectors = unit(np.random.default_rng(0).standard_normal((items, 64), dtype=np.float32))
    return items, lambda: Index("exact").build(vectors).search(vectors[:64], 10)


@dataclass(frozen=True)
class Stage:
    """``prepare(*size)`` returns the size that is drawn and the work that is measured. ``least``: slopes of time and memory that the arithmetic asks for."""

    by: str
    sizes: Sequence[tuple[int, ...]]
    prepare: Callable[..., tuple[int, Work]]
    least: tuple[float, float] = (1, 1)


MORE_EVENTS = [(n, 2_000) for n in EVENTS]
MORE_ITEMS = [(EVENTS[1], n) for n in ITEMS]
MODELS = ("popularity prior", "item-kNN", "item-kNN, 200 neighbours", "BPR-MF", "SASRec", "scene fusion")

STAGES = {
    "generating, whole, by events": Stage("events", MORE_EVENTS, generating_whole),
    "generating, scene by scene, by events": Stage("events", MORE_EVENTS, generating_in_parts),
    "generating, scene by scene, by items": Stage("items", MORE_ITEMS, lambda n, k: (5 * k + 3 * min(k, 500), generating_in_parts(n, k)[1]), (0, 0)),
    "encoding, by texts": Stage("texts", [(n,) for n in powers(3, 3.5, 4, 4.5)], encoding),
    **{f"{name}, by events": Stage("events", MORE_EVENTS, training(name, "events")) for name in MODELS},
    **{f"{name}, by items": Stage("items", MORE_ITEMS, training(name, "items"), (0, 0)) for name in MODELS},
    "EASE, by items": Stage("items", [(EVENTS[1], n) for n in (125, 400, 1_250, 2_000)], training("EASE", "items"), (3, 2)),
    "judging, by questions": Stage("questions", MORE_EVENTS, judging("questions")),
    "judging, by items": Stage("items", MORE_ITEMS, judging("items")),
    "intervals, by questions": Stage("questions", [(n,) for n in powers(3, 3.5, 4, 4.5, 5)], intervals),
    "top-k of scores, by items": Stage("items", [(n,) for n in powers(3, 4, 5, 6)], best_scores),
    "exact search, by items": Stage("items", [(n,) for n in powers(3, 4, 5, 6)], nearest),
}


def set_peak_back() -> bool:
    """Let the peak of this process' memory count from here on. False where the machine does not do so: Linux does, some containers do not."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    now = status_gb("VmRSS")
    return now is not None and peak_gb() < now + LEAST


def point(stage: str, size: tuple[int, ...]) -> dict[str, float | None]:
    """Prepare, measure, and say so: size, seconds, gb above before_gb (None where the peak cannot be set back). Run in a process of its own."""
    drawn, work = STAGES[stage].prepare(*size)
    gc.collect()
    counts = set_peak_back()
    before, began = peak_gb(), time.process_time()
    kept = work()
    seconds = time.process_time() - began
    return {"size": drawn, "seconds": seconds, "gb": peak_gb() - before if counts else None, "before_gb": before, "holds": kept is not None}


def slope(sizes: Sequence[float], values: Sequence[float | None], last: int = 3, least: float = 0.0) -> float | None:
    """Of the line through the logarithms of the ``last`` largest sizes, among those whose value is above ``least``; None with fewer than three."""
    there = [(s, v) for s, v in zip(sizes, values, strict=True) if v is not None and v > least][-last:]
    return float(np.polyfit(*np.log(np.array(there)).T, 1)[0]) if len(there) >= 3 else None


def expected(points: Sequence[dict[str, float]], growth: float, least: float) -> float:
    """Seconds of a size ``growth`` times the last one, going on at the slope of the last two points, or ``least`` where that is steeper."""
    steep = least
    if len(points) > 1:
        a, b = points[-2:]
        steep = max(least, np.log(b["seconds"] / a["seconds"]) / np.log(b["size"] / a["size"]))
    return points[-1]["seconds"] * growth**steep


def child(*arguments: str) -> str:
    """This program in a process of its own, on one thread; returns what it printed last."""
    env = os.environ | dict.fromkeys(THREADS, "1") | {"TQDM_DISABLE": "1"}
    done = subprocess.run([sys.executable, "-m", "benchmarks.growth", *arguments], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{arguments} failed with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout.strip().rpartition("\n")[2]


def measure(name: str, limit: float, known: list[dict[str, float]], keep: Callable[[dict[str, Any]], None]) -> None:
    """All points of a stage that are not known yet; ``keep`` is called after each."""
    stage, points = STAGES[name], list(known)

    def so_it_stands(left_out: Sequence[tuple[int, ...]] = ()) -> None:
        sizes = [p["size"] for p in points]
        keep({
            "by": stage.by, "points": list(points), "left_out": [list(size) for size in left_out], "time_slope": slope(sizes, [p["seconds"] for p in points]),
            "memory_slope": slope(sizes, [p["gb"] for p in points], least=LEAST), "asked_time_slope": stage.least[0], "asked_memory_slope": stage.least[1],
        })  # fmt: skip

    for k in range(len(points), len(stage.sizes)):
        size = stage.sizes[k]
        if points and expected(points, max(n / m for n, m in zip(size, stage.sizes[k - 1], strict=True)), stage.least[0]) > limit:
            return so_it_stands(stage.sizes[k:])
        if len(size) == 2 and not store(*size).exists() and not name.startswith("generating"):
            child("--make", *map(str, size))
        points.append(json.loads(child("--point", name, *map(str, size))))
        print(name, points[-1], flush=True)
        so_it_stands()
    so_it_stands()


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="stages whose name begins so")
    args.add_argument("--again", nargs="+", default=[], metavar="STAGE", help="stages whose name begins so, measured once more")
    args.add_argument("--limit", type=float, default=400, help="seconds that a point may be expected to take")
    args.add_argument("--point", nargs="+", help=argparse.SUPPRESS)
    args.add_argument("--make", nargs=2, type=int, help=argparse.SUPPRESS)
    args = args.parse_args()
    if args.make:
        return generate(*args.make)
    if args.point:
        return print(json.dumps(point(args.point[0], tuple(map(int, args.point[1:])))))
    figures = so_far(args.record) if args.record else {}

    def keep(name: str, now: dict[str, Any]) -> None:
        figures[name] = {k: v for k, v in figures.get(name, {}).items() if k == "before"} | now
        if args.record:
            record(args.record, command=f"python -m benchmarks.growth --record {args.record}", metrics=figures, seeds=[0], threads=1, limit_seconds=args.limit)

    for name in STAGES:
        old = figures.get(name, {})
        if old and name.startswith(tuple(args.again)):
            commit = load_result(args.record)["commit"]
            figures[name] = {"before": old.get("before") or {"commit": commit} | {k: old[k] for k in ("points", "time_slope", "memory_slope")}}
        if name.startswith(tuple(args.only + args.again) or ("",)):
            measure(name, args.limit, figures.get(name, {}).get("points", []), partial(keep, name))


if __name__ == "__main__":
    main()
