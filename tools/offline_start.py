"""Across Scenes without internet. Open a terminal in this folder and type:

    python start.py

It makes a folder `across-scenes` in your home folder: notebooks, models, data and an environment of its own, all from this folder. Then it
opens JupyterLab. Nothing is fetched. Typing it again opens your work as you left it. `python start.py --check` only tries everything out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRY = """
from recsys_lib.data import load
from recsys_lib.exercises import check
from recsys_lib.language import TextEncoder
log = load("sceneworld", preset="tiny")
vector = TextEncoder().encode(["green tea"], show_progress=False)
assert len(log.events) and vector.shape == (1, 384) and not check("00-1", None)
print("Everything is here: a world, a language model, the exercises.")
"""


def fits(manifest: dict) -> str | None:
    """None if the wheels are for this machine and this Python, else a sentence."""
    here = {"system": platform.system(), "machine": platform.machine(), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    if here in manifest["made_for"]:
        return None
    known = "; ".join("{system} {machine}, Python {python}".format(**made) for made in manifest["made_for"])
    mine = "{system} {machine}, Python {python}".format(**here)
    return f"This folder holds packages for {known}, and here is {mine}. Start it with a Python of that version, or ask for a folder made on a machine like yours."


def prepare(work: Path, quiet: bool = False) -> Path:
    """Copy notebooks and models that are not there yet, make the environment once; its Python."""
    for name in ("notebooks", "cache"):
        for path in sorted((HERE / name).rglob("*")):
            target = work / name / path.relative_to(HERE / name)
            if path.is_file() and not target.exists():  # a notebook that somebody worked in stays as it is
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(f"{target.name}.part")
                shutil.copy2(path, part)
                part.replace(target)  # whole or not at all: half a model would stay for good
    python = work / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (work / ".venv" / "installed").is_file():
        print(f"Making an environment in {work}. This takes some minutes, once.", flush=True)
        venv.EnvBuilder(with_pip=True, clear=True).create(work / ".venv")
        wanted = json.loads((HERE / "manifest.json").read_text("utf8"))["install"]
        command = [str(python), "-m", "pip", "install", "--no-index", "--find-links", str(HERE / "wheels"), "-q", "--disable-pip-version-check", *wanted]
        if subprocess.run(command, env={**os.environ, "PIP_CONFIG_FILE": os.devnull}).returncode:
            raise SystemExit("The packages could not be installed; pip says above which one is missing from the folder wheels.")
        (work / ".venv" / "installed").touch()
    return python


def main() -> int:
    """Prepare, then open JupyterLab (or check); the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--to", type=Path, default=Path.home() / "across-scenes", help="where to work (default: a folder in your home)")
    parser.add_argument("--check", action="store_true", help="try everything out and open nothing")
    chosen = parser.parse_args()
    if problem := fits(json.loads((HERE / "manifest.json").read_text("utf8"))):
        raise SystemExit(problem)
    work = chosen.to.resolve()
    python = prepare(work)
    offline = {"RECSYS_CACHE": str(work / "cache"), "RECSYS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    command = [str(python), "-c", TRY] if chosen.check else [str(python), "-m", "jupyter", "lab", str(work / "notebooks")]
    return subprocess.run(command, cwd=work, env={**os.environ, **offline}).returncode


if __name__ == "__main__":
    sys.exit(main())
