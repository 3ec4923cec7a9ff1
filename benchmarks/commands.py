"""The README's two commands from a fresh clone: how long they take and how much memory, downloads included, then warm.

    python -m benchmarks.commands [--record 00-commands] [--only book]

Each command has a clone, an environment and a cache of its own in a temporary folder that is removed afterwards. With ``--only`` the other
command's figures of the last run stay.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from recsys_lib.results import record, so_far

HOME = Path(__file__).parent.parent


def memory(process: psutil.Process) -> float:
    """GiB a process and all that descend from it hold, pages shared with others counted by share where the system tells."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):  # it ended while we looked
                held = one.memory_full_info()
                total += getattr(held, "pss", held.uss)
    return total / 2**30


def timed(command: list[str], folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """Seconds and peak memory (GiB, of the command and all its processes together, looked at once a second)."""
    began, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(command, cwd=folder, env=env | {"TQDM_DISABLE": "1"}, stdout=said, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, memory(process))
            time.sleep(1)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed with {process.returncode}:\n{said.read()[-20_000:]}")
    return {"seconds": time.perf_counter() - began, "peak_gb": peak}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args.add_argument("--only", choices=["test", "book"])
    args = args.parse_args()
    figures = so_far(args.record) if args.record and args.only else {}
    for name in [args.only] if args.only else ["test", "book"]:
        with tempfile.TemporaryDirectory() as place:  # a clone, an environment and a cache for each command
            subprocess.run(["git", "clone", "-q", str(HOME), f"{place}/course"], check=True)
            commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=f"{place}/course", capture_output=True, text=True, check=True).stdout.strip()
            env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | {"RECSYS_CACHE": f"{place}/cache"}
            if "RECSYS_MIRROR" in env:
                env["RECSYS_MIRROR"] = str(Path(env["RECSYS_MIRROR"]).resolve())
            for state in ("fresh", "warm"):
                now = figures[f"make {name}, {state}"] = timed(["make", name], Path(place) / "course", env) | {"commit": commit}
                print(f"make {name}, {state}: {now['seconds']:.0f} s, {now['peak_gb']:.1f} GiB at most", flush=True)
    if args.record:
        record(args.record, command=f"python -m benchmarks.commands --record {args.record}", metrics=figures)


if __name__ == "__main__":
    main()
