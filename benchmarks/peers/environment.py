"""A peer's own environment: made from its pins the first time, outside this repository, and used as a subprocess."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from recsys_lib.data.sources import cache_dir
from tools.make_env import cpu_index

HERE = Path(__file__).parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS")


def python_of(peer: str) -> Path:
    """The interpreter of ``peer`` (``ours`` is the one that runs now). Makes its environment where it is missing or ``<peer>.txt`` has changed."""
    if peer == "ours":
        return Path(sys.executable)
    pins, folder = HERE / f"{peer}.txt", cache_dir() / "peers" / peer
    python, stamp, wanted = folder / "bin" / "python", folder / "installed", hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    print(f"{peer}: installing its environment in {folder}, once", flush=True)
    venv.EnvBuilder(with_pip=True, clear=True).create(folder)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *cpu_index(), "-r", pins], check=True)
    stamp.write_text(wanted)
    return python


def run_script(peer: str, *arguments: str, threads: int = 1, script: str = "run") -> None:
    """Run the peer's script in its environment; what it says is shown only if it fails."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")} | {k: str(threads) for k in THREADS}
    if peer == "ours":
        env["PYTHONPATH"] = str(HERE.parent.parent)
    done = subprocess.run([python_of(peer), HERE / f"{script}_{peer}.py", *arguments], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{script}_{peer}.py {' '.join(arguments)} failed with {done.returncode}:\n{done.stderr[-4000:]}")


def fit(peer: str, split: Path, model: str, setting: dict[str, Any], seed: int, out: Path) -> dict[Path, dict[str, Any]]:
    """One fit in a process of its own. Returns the facts of each folder with scores: of ``out``, or of ``out/<epochs>`` for each of a list of epochs, ascending."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run_script(peer, str(split), model, json.dumps(setting), str(seed), str(out))
    return {path.parent: json.loads(path.read_text()) for path in sorted(out.rglob("facts.json"), key=lambda path: (len(path.parent.name), path))}


def fit_and_ask(peer: str, split: Path, model: str, setting: dict[str, Any], seed: int, out: Path) -> dict[str, Any]:
    """One fit with one setting; its scores lie in ``out`` afterwards. Returns version, seconds_fit, wall_fit, seconds_score, peak_gb, before_gb."""
    return fit(peer, split, model, setting, seed, out)[out]
