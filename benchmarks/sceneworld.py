"""How long SceneWorld takes to make, how much memory it needs, and what one event costs at growing size.

    python benchmarks/sceneworld.py [--xl] [--repeat 3] [--record ID]

Each world is made in a process of its own (so the peak memory is its own); the import of the library is not counted, the
memory of the import is. The median of the repeats is printed. The cost per event is taken on worlds of one
shape (people : items a scene : impressions = 5 : 1 : 100), from 100 thousand to 10 million impressions, all written in chunks and read back.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from recsys_lib.results import record

ONE = """
import json, resource, sys, time
from recsys_lib.data.sceneworld import make_world
options = json.loads(sys.argv[1])
start = time.perf_counter()
world = make_world(**options)
seconds = time.perf_counter() - start
shown = sum(len(x) for x in world.impressions())
print(json.dumps({"seconds": seconds, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "shown": shown, "clicks": len(world.log.events)}))
"""


def measure(repeat: int, **options: object) -> dict[str, float]:
    """Median seconds and peak GB over ``repeat`` processes; the numbers of impressions and clicks."""
    runs = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run(
                [sys.executable, "-c", ONE, json.dumps(options | {"cache": cache})],
                capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[1],
            )  # fmt: skip
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="processes a figure (xl-10m: one)")
    parser.add_argument("--xl", action="store_true", help="also xl-10m, and the cost per event up to 10 million")
    parser.add_argument("--record", metavar="ID", help="write a recorded run of this name")
    choice = parser.parse_args()
    metrics: dict[str, dict[str, float]] = {}
    print(f"{'preset':<14}{'seconds':>9}{'peak GB':>9}{'impressions':>13}{'clicks':>11}{'events/s':>11}")
    for preset in ["tiny", "default", "shop-100k", "music-1m", "video-500k", "many-scenes", *(["xl-10m"] if choice.xl else [])]:
        r = metrics[preset] = measure(1 if preset == "xl-10m" else choice.repeat, preset=preset)
        print(
            f"{preset:<14}{r['seconds']:>9.2f}{r['peak_gb']:>9.2f}{r['shown']:>13,.0f}{r['clicks']:>11,.0f}{r['shown'] / r['seconds']:>11,.0f}",
            flush=True,
        )
    costs = {}
    for size in [100_000, 1_000_000, *([10_000_000] if choice.xl else [])]:
        r = measure(1 if size > 1_000_000 else choice.repeat, preset="xl-10m", users=size // 20, items=size // 100, target=size)
        costs[size] = r["seconds"] / r["shown"]
        metrics[f"{size} impressions"] = r | {"microseconds an event": costs[size] * 1e6}
        print(
            f"{size:>12,} impressions: {costs[size] * 1e6:.2f} µs an event, {costs[size] / costs[100_000]:.2f} × the cost at 100,000; peak {r['peak_gb']:.2f} GB",
            flush=True,
        )
    if choice.record:
        record(choice.record, command="python " + " ".join(sys.argv), metrics=metrics, repeats=choice.repeat)


if __name__ == "__main__":
    main()
