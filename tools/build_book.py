"""``make book``: run every chapter, then render the book into ``_build/html``.

Chapters run first, two at a time on one thread each, into a cache; Sphinx then reads their outputs from it. Jupyter's own cache is
keyed by the code cells alone, so its folder is named after everything else an output depends on: the library, the recorded results,
the pinned packages, and which downloads are there. Each chapter is stored as soon as it has run, so an interrupted build goes on
where it stopped. The exit status is not zero when a cell fails or Sphinx warns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import Any

import yaml

from recsys_lib.data.sources import fetch
from recsys_lib.errors import SourceUnreachable
from tools import common, kernels, make_cache


def cache_key(root: Path, downloads: dict[str, bool]) -> str:
    """Names the state of everything, beside a chapter's own code, that its outputs depend on."""
    digest = hashlib.sha256(repr((sys.version_info[:2], sorted(downloads.items()))).encode())
    library = sorted(path for path in (root / "recsys_lib").rglob("*") if path.suffix in {".py", ".yaml", ".yml", ".json"})
    for path in [root / "constraints.txt", *library, *sorted((root / "data" / "results").glob("*.json"))]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def execute(source: Path, cache_folder: Path, timeout: int) -> tuple[float, str]:
    """Run one chapter unless the cache has it; (seconds, outcome or traceback)."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from jupyter_cache.executors.utils import single_nb_execution
    from myst_nb.core.read import read_myst_markdown_notebook
    from myst_parser.config.main import MdParserConfig

    notebook = read_myst_markdown_notebook(source.read_text(encoding="utf8"), MdParserConfig(enable_extensions={"colon_fence"}), path=source)
    cache = get_cache(str(cache_folder))
    try:
        return cache.match_cache_notebook(notebook).data["execution_seconds"], "from the cache"
    except KeyError:
        pass
    os.environ["TQDM_DISABLE"] = "1"  # no progress bars on the pages
    began, children, ways = time.perf_counter(), processor_of_children(), {"extra_arguments": ["--IPKernelApp.log_level=40"], "kernel_manager_class": kernels.AsyncOverSockets}
    try:
        result = single_nb_execution(notebook, str(source.parent), timeout, allow_errors=False, **ways)
    except Exception:  # a kernel that died, of memory for one; a failing cell does not come here
        return time.perf_counter() - began, traceback.format_exc()
    if result.err is not None:
        return result.time, result.exc_string or repr(result.err)
    without_widgets(notebook)
    data = {"execution_seconds": result.time, "processor_seconds": processor_of_children() - children}  # records from before have the first alone
    bundle = CacheBundleIn(notebook, str(source), data=data)
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return result.time, "ran"


def processor_of_children() -> float:
    """Processor seconds of all processes this one started and saw end, such as kernels; 0 on Windows, which does not count them."""
    return os.times().children_user + os.times().children_system


def without_widgets(notebook: Any) -> None:
    """Take widgets out, such as the bars that other libraries draw: without a kernel they would stand still on the page."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})]


def work_alone() -> None:
    """Start of a worker: out of Ctrl-C's reach, so that it ends when the build ends it, or at once when the build is gone."""
    if os.name == "posix":
        os.setsid()

    def leave() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def execute_all(root: Path, cache_folder: Path, timeout: int, workers: int = 2) -> list[tuple[str, float, str]]:
    """Run all chapters of the table of contents; (chapter, seconds, outcome) as they finish. The slowest kind goes first: later chapters."""
    from jupyter_cache import get_cache

    _ = get_cache(str(cache_folder)).db  # makes the folder and its tables before two processes want to
    done = []
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=work_alone)
    try:
        waiting = {pool.submit(execute, source, cache_folder, timeout): source for source in reversed(in_contents(root))}
        for future in as_completed(waiting):
            seconds, outcome = future.result()
            name, failed = waiting[future].stem, outcome not in ("ran", "from the cache")
            print(f"  {name}: {outcome if not failed else 'FAILED'}, {seconds:.1f} s", flush=True)
            if failed:
                print(f"\n{outcome}\n", file=sys.stderr, flush=True)
            done.append((name, seconds, "failed" if failed else outcome))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        working = active_children()
        for worker in working:  # all at once: to one that is left the pool would say goodbye, and its kernel would answer
            worker.kill()
        for worker in working:
            worker.join()
        kernels.sweep()
        raise
    pool.shutdown()
    return sorted(done)


def in_contents(root: Path) -> list[Path]:
    """Sources that run and that ``_toc.yml`` names: the chapters, and the pages beside them that have code cells."""
    contents = (root / "_toc.yml").read_text(encoding="utf8")
    chapters = [source for source in common.chapters(root) if f"chapters/{source.stem}" in contents]
    return common.pages(root) + chapters


def configure(root: Path, build: Path, cache_folder: Path) -> Path:
    """``_config.yml`` with the cache's folder, the addresses of book and repository and its own copy of MathJax filled in."""
    settings = common.config(root)
    settings["execute"]["cache"] = str(cache_folder)
    settings["html"]["baseurl"] = common.home(root)
    url, branch = common.repository(root)
    settings["sphinx"]["config"]["html_theme_options"] |= {"repository_url": url, "repository_branch": branch}
    settings["sphinx"]["local_extensions"] = {name: str(root / path) for name, path in settings["sphinx"]["local_extensions"].items()}
    try:
        settings["sphinx"]["config"] |= {"html_extra_path": [str(fetch("mathjax"))], "mathjax_path": "../mathjax/es5/tex-chtml-full.js"}
    except SourceUnreachable:
        print("MathJax could not be fetched; the pages will take it from its public address.")
    build.mkdir(exist_ok=True)
    target = build / "_config.yml"
    target.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf8")
    return target


def main(arguments: list[str] | None = None) -> int:
    """Build; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, default=common.ROOT)
    parser.add_argument("--no-cache", action="store_true", help="do not fetch models and data first")
    parser.add_argument("--builder", choices=["html", "singlehtml"], default="html", help="a page a file, or all in one for printing")
    chosen = parser.parse_args(arguments)
    root, build = chosen.root.resolve(), chosen.root.resolve() / "_build"
    os.environ.update(common.ONE_THREAD)
    os.environ.pop("MPLBACKEND", None)  # figures belong on the pages
    began = time.perf_counter()
    downloads = {} if chosen.no_cache else make_cache.main()
    times = [("downloads and encodings", time.perf_counter() - began, "")]
    cache_folder = build / ".jupyter_cache" / cache_key(root, downloads)
    timeout = common.config(root)["execute"]["timeout"]
    began = time.perf_counter()
    print("Running the chapters", flush=True)
    ran = execute_all(root, cache_folder, timeout)
    times.append((f"{len(ran)} chapters", time.perf_counter() - began, "FAILED" if any(o == "failed" for _, _, o in ran) else ""))
    status = 1
    if not any(outcome == "failed" for _, _, outcome in ran):
        began = time.perf_counter()
        book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(root), "--path-output", str(root)]
        book += ["--config", str(configure(root, build, cache_folder)), "--builder", chosen.builder, "--all", "-n", "-W", "--keep-going", "-q"]
        shutil.rmtree(build / chosen.builder, ignore_errors=True)  # no page of a chapter that is gone
        # all pages anew, since Sphinx tells the warnings of a page only when it reads it
        status = subprocess.run(book, cwd=root, env=common.one_thread()).returncode
        times.append(("rendering", time.perf_counter() - began, "FAILED" if status else ""))
    print(common.table_of_times(times))
    print(f"The book is in {build / chosen.builder / 'index.html'}" if not status else "The book was not built; the reason stands above.")
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped. What has run is kept; `make book` goes on from there.", file=sys.stderr)
        sys.exit(130)
