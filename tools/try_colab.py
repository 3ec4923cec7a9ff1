"""``make colab``: the chapters' notebooks in environments shaped like Colab's, with the library installed as the set-up cell does it.

    python tools/try_colab.py [--python python3.12] [--transformers 4.56.2] [--chapters 00 01 …] [--record]

Makes an environment of the given Python with the packages that Colab brings (the library's dependencies, at the newest versions that fit, and
the asked transformers), installs the library with ``--no-deps`` from this checkout, and executes each notebook outside the checkout, so that
only what was installed is found. With ``--record`` the outcome goes to ``data/results/colab.json``, each environment under its own name.
Needs only Python itself. The exit status is 1 when a chapter failed, and 2 when pip could not install what it needs.

    python tools/try_colab.py --here --record

makes and installs nothing: it executes the notebooks with the Python that runs it and the library of this checkout. For a machine with a GPU; with
``CUDA_VISIBLE_DEVICES=`` in front the same machine without it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools.make_env import cpu_index

ROOT = Path(__file__).resolve().parents[1]
BROUGHT = [
    "torch",
    "datasets",
    "numpy>=2",
    "scipy",
    "pandas>=2.2",
    "matplotlib",
    "tqdm",
    "pyyaml",
    "safetensors",
    "pyarrow",
    "ipykernel",
    "nbclient",
]
RUN = """
import sys, nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=600, kernel_name="python3").execute()
"""
FACTS = """
import json, sys, torch, transformers, numpy, pandas, recsys_lib
print(json.dumps({"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__,
                  "numpy": numpy.__version__, "pandas": pandas.__version__, "library": recsys_lib.__file__,
                  "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None}))
"""


def found(name: str) -> str | None:
    """The path of an interpreter: from the path, or one that pyenv has put aside."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(versions.glob(f"{name.removeprefix('python')}*/bin/python")) if name.startswith("python3.") else []
    tried = [path for path in (shutil.which(name), *map(str, reversed(kept))) if path]
    return next((path for path in tried if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0), None)  # a shim may lead nowhere


def pip(python: Path, *arguments: str) -> None:
    """Run pip there. When it fails, as without a network, a sentence and exit status 2: nothing was tried."""
    if subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *arguments]).returncode:
        print(f"pip could not install {' '.join(arguments)}; its reason stands above.", file=sys.stderr)
        raise SystemExit(2)


def environment(folder: Path, interpreter: str, transformers: str) -> Path:
    """The Python of an environment in ``folder`` that has what Colab brings, and the library by ``--no-deps``."""
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip(python, *cpu_index(), *BROUGHT, f"transformers{transformers if transformers[0] in '<>=~' else '==' + transformers}")
    before = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout
    pip(python, "--no-deps", str(ROOT))
    after = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True).stdout
    if extra := [line for line in after.splitlines() if line not in before.splitlines() and not line.startswith("recsys-lib")]:
        raise SystemExit(f"Installing the library with --no-deps changed other packages: {extra}.")
    return python


def settings(here: bool) -> dict[str, str]:
    """The variables of a run: one thread, no bars, and the library from this checkout only where nothing was installed."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return kept | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": str(ROOT)} if here else {})


def chapters(python: Path, wanted: list[str], env: dict[str, str]) -> dict[str, dict]:
    """Execute the notebooks; chapter → seconds and outcome, with the last line of the error where one failed."""
    done = {}
    for notebook in sorted((ROOT / "chapters").glob("[0-9][0-9]_*.ipynb")):
        if wanted and notebook.name[:2] not in wanted:
            continue
        with tempfile.TemporaryDirectory() as away:
            shutil.copy(notebook, away)
            began = time.perf_counter()
            ran = subprocess.run([python, "-c", RUN, notebook.name], cwd=away, env=env, capture_output=True, text=True)
        outcome = "ran" if ran.returncode == 0 else "failed: " + (ran.stderr.strip().splitlines() or ["no message"])[-1][:300]
        done[notebook.stem] = {"seconds": round(time.perf_counter() - began, 1), "outcome": outcome}
        print(f"  {notebook.stem}: {outcome}, {done[notebook.stem]['seconds']} s", flush=True)
        if ran.returncode:
            print(ran.stderr[-3000:], file=sys.stderr, flush=True)
    return done


def record(name: str, entry: dict) -> None:
    """Put one environment's outcome into ``data/results/colab.json``, beside the others."""
    target = ROOT / "data" / "results" / "colab.json"
    known = json.loads(target.read_text(encoding="utf8")) if target.is_file() else {"id": "colab", "command": "make colab", "metrics": {}}
    known["metrics"][name] = entry
    scratch = target.with_suffix(".new")
    scratch.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf8")
    scratch.replace(target)


def main(arguments: list[str] | None = None) -> int:
    """Try; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="an interpreter, by name or path")
    parser.add_argument("--transformers", default=">=5,<6", help="a version, or a range such as '>=4.56,<5'")
    parser.add_argument("--chapters", nargs="*", default=[], help="two digits each; all where none is named")
    parser.add_argument("--here", action="store_true", help="with the Python that runs this, as it is")
    parser.add_argument("--record", action="store_true")
    chosen = parser.parse_args(arguments)
    interpreter = sys.executable if chosen.here else found(chosen.python)
    if interpreter is None:
        print(f"There is no {chosen.python} here, so nothing was tried.")
        return 0
    numbers = {path.name[:2] for path in (ROOT / "chapters").glob("[0-9][0-9]_*.ipynb")}
    if unknown := sorted(set(chosen.chapters) - numbers):
        print(f"There is no chapter {unknown[0]!r}; they are {', '.join(sorted(numbers))}.", file=sys.stderr)
        return 1
    if chosen.record and chosen.chapters:
        print("A record is of all chapters; leave out --chapters or --record.", file=sys.stderr)
        return 1
    commit = ""
    if shutil.which("git"):
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="colab-") as folder:
        python = Path(interpreter) if chosen.here else environment(Path(folder) / "env", interpreter, chosen.transformers)
        env = settings(chosen.here)
        told = subprocess.run([python, "-c", FACTS], cwd=folder, env=env, capture_output=True, text=True)
        if told.returncode:
            print(f"The library cannot be imported there:\n{told.stderr}", file=sys.stderr)
            return 1
        facts = json.loads(told.stdout.strip().splitlines()[-1])
        if not Path(facts.pop("library")).is_relative_to(ROOT if chosen.here else folder):
            raise SystemExit(f"The library was not found where it should be, {'in this checkout' if chosen.here else 'in the new environment'}.")
        print(", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
        done = chapters(python, chosen.chapters, env)
    if chosen.record:
        name = f"Python {'.'.join(facts['python'].split('.')[:2])}, transformers {facts['transformers'].split('.')[0]}"
        name += f", {facts['gpu'] or 'no GPU'}" if chosen.here else ""
        typed = shlex.join(["python", "tools/try_colab.py", *(arguments or sys.argv[1:])])
        record(name, facts | {"command": typed, "chapters": done, "commit": commit, "date": datetime.date.today().isoformat()})
    return int(any(entry["outcome"] != "ran" for entry in done.values()))


if __name__ == "__main__":
    sys.exit(main())
