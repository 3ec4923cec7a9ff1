"""The README's two commands from a fresh clone: how long they take and how much memory, downloads included, then warm.

    python -m benchmarks.commands [--record 00-commands] [--only book]

The clone, its environment and its cache lie in a temporary folder that is removed afterwards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from recsys_lib.results import record

HOME = Path(__file__).parent.parent


def family(root: int) -> Iterator[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(stat.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(stat.parent.name))
        except OSError:
            pass  # it ended while we looked
    todo = [root]
    while todo:
        yield (pid := todo.pop())
        todo += parents.get(pid, [])


def memory(pid: int) -> float:
    """GiB a process holds, pages shared with others counted by share."""
    try:
        line = next(x for x in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if x.startswith("Pss:"))
        return int(line.split()[1]) / 2**20
    except (OSError, StopIteration):
        return 0.0


def timed(command: list[str], folder: Path, env: dict[str, str]) -> dict[str, float]:
    """Seconds and peak memory (GiB, of the command and all its processes together, looked at once a second)."""
    began, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    problems: list[str] = []
    reader = threading.Thread(target=lambda: problems.append(process.stderr.read()))
    reader.start()
    while process.poll() is None:
        peak = max(peak, sum(map(memory, family(process.pid))))
        time.sleep(1)
    reader.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}:\n{problems[0][-3000:]}")
    return {"seconds": time.perf_counter() - began, "peak_gb": peak}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args.add_argument("--only", choices=["test", "book"])
    args = args.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["git", "clone", "-q", str(HOME), f"{place}/course"], check=True)
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | {"RECSYS_CACHE": f"{place}/cache"}
        if "RECSYS_MIRROR" in env:
            env["RECSYS_MIRROR"] = str(Path(env["RECSYS_MIRROR"]).resolve())
        for name in [args.only] if args.only else ["test", "book"]:
            for state in ("fresh", "warm"):
                figures[f"make {name}, {state}"] = timed(["make", name], Path(place) / "course", env)
                print(f"make {name}, {state}: {figures[f'make {name}, {state}']['seconds']:.0f} s, {figures[f'make {name}, {state}']['peak_gb']:.1f} GiB at most", flush=True)
    if args.record:
        record(args.record, command=f"python -m benchmarks.commands --record {args.record}", metrics=figures, note="the fresh `make book` follows `make test` and so finds its environment and cache, not its pages")


if __name__ == "__main__":
    main()
