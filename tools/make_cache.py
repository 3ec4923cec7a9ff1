"""``make cache``: fetch models and data, encode the texts. Called by ``make book`` and ``make test``; passes offline and says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from tools import common

REAL = ("amazon-fkb", "movielens-1m", "movielens-100k", "lastfm", "microlens-50k", "bing-news")
ENCODED = ("sceneworld", "amazon-fkb")
MATHJAX = ("django-static-mathjax", "3.2.2.1")  # a wheel that holds MathJax's own files


def mathjax() -> Path | None:
    """Folder ``mathjax`` with MathJax's files, fetched once with pip; None (and MathJax from its usual home) where that fails."""
    from recsys_lib.data.sources import cache_dir

    folder = cache_dir() / f"mathjax-{MATHJAX[1]}" / "mathjax"
    if (folder / "tex-chtml.js").is_file():
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", scratch, "==".join(MATHJAX)]
        if subprocess.run(command, capture_output=True).returncode:
            print("MathJax could not be fetched; the book's pages will take it from its public address.")
            return None
        prefix, unpacked = "mathjax/static/mathjax/es5/", Path(scratch) / "mathjax"
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                part = name.removeprefix(prefix)
                if part != name and (part in ("tex-chtml.js",) or part.startswith(("output/chtml/fonts/woff-v2/", "input/tex/extensions/"))):
                    (unpacked / part).parent.mkdir(parents=True, exist_ok=True)
                    (unpacked / part).write_bytes(wheel.read(name))
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            unpacked.replace(folder)
        except OSError:  # another file system, or another process was first
            import shutil

            shutil.copytree(unpacked, folder, dirs_exist_ok=True)
    return folder


def main() -> dict[str, bool]:
    """Fetch everything the chapters use; for each data set and model, whether it is there."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        from recsys_lib.data import load, load_if_reachable
        from recsys_lib.language import TextEncoder, item_texts
    except ImportError as missing:
        print(f"Nothing to fetch: {missing}.")
        return {}
    there: dict[str, bool] = {}
    logs = {}
    for name in REAL:
        began = time.perf_counter()
        logs[name] = load_if_reachable(name)
        there[name] = logs[name] is not None
        print(f"  {name}: {'ready' if there[name] else 'not reachable'}, {time.perf_counter() - began:.1f} s", flush=True)
    from recsys_lib.errors import SourceUnreachable

    try:
        encoder = TextEncoder()
        for name in ENCODED:
            log = load(name) if name == "sceneworld" else logs[name]
            if log is None:
                continue
            began = time.perf_counter()
            texts = item_texts(log)
            encoder.encode(texts)
            print(f"  {name}: {len(texts):,} texts encoded, {time.perf_counter() - began:.1f} s", flush=True)
        there["text encoder"] = True
    except SourceUnreachable as problem:
        there["text encoder"] = False
        print(f"  text encoder: {problem}")
    mathjax()
    return there


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", common.ONE_THREAD["TOKENIZERS_PARALLELISM"])
    main()
