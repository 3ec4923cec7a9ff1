"""``make test`` and ``make quick``: lint, notebooks, unit tests, chapters without and with solutions, the book and what a browser says of it;
ends with how long each part took.

    python -m tools.run_tests [--quick]

Quick leaves out downloads, all builds of the book, the browser and the marking of homework, and runs only the chapters that differ from the
last commit. Two workers, one thread each.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from tools import common, make_notebooks

PYTHON = [sys.executable, "-m"]
WORKERS = ["-n", "2", "--dist", "loadfile"]  # one worker a file: a notebook's cells share a kernel


def touched() -> list[str]:
    """Notebooks of the chapters that differ from the last commit, untracked ones too."""
    if not shutil.which("git"):
        print("git was not found, so nobody can say which chapters were touched, and none runs; `make test` runs them all.")
        return []
    seen = ""
    for command in (["git", "diff", "--name-only", "HEAD"], ["git", "ls-files", "--others", "--exclude-standard"]):
        seen += subprocess.run([*command, "--", "chapters"], cwd=common.ROOT, capture_output=True, text=True).stdout
    stems = {Path(name).stem for name in seen.split()}
    return [str(path.with_suffix(".ipynb").relative_to(common.ROOT)) for path in common.chapters() if path.stem in stems]


def counted(report: Path) -> dict[str, int]:
    """Passed, failed and skipped tests of one JUnit report."""
    suite = next(ET.parse(report).getroot().iter("testsuite")).attrib
    failed, skipped = int(suite["failures"]) + int(suite["errors"]), int(suite["skipped"])
    return {"passed": int(suite["tests"]) - failed - skipped, "failed": failed, "skipped": skipped}


def main(quick: bool = False) -> int:
    """Run all parts, whatever fails; the exit status."""
    times: list[tuple[str, float, str]] = []
    total = {"passed": 0, "failed": 0, "skipped": 0}
    broken = False
    environment = common.one_thread() | {"MPLBACKEND": "Agg"}

    def part(name: str, command: list[str], counts: bool = False) -> bool:
        nonlocal broken
        print(f"\n== {name}", flush=True)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            report = Path(scratch) / "report.xml"
            status = subprocess.run([*command, *([f"--junitxml={report}"] if counts else [])], cwd=common.ROOT, env=environment).returncode
            found = counted(report) if counts and report.is_file() else {}
        for key, number in found.items():
            total[key] += number
        broken |= status != 0
        if counts and not found:
            print(f"{name} ended with status {status} before it could report.")
        words = ", ".join(f"{number} {key}" for key, number in found.items() if number)
        times.append((name, time.perf_counter() - began, "; ".join(filter(None, [words, "FAILED" if status else "ok"]))))
        return status == 0

    if not quick:
        part("downloads and encodings", [*PYTHON, "tools.make_cache"])
    part("lint", [*PYTHON, "ruff", "check", "."])
    part("notebooks up to date", [*PYTHON, "tools.make_notebooks", "--check"])
    slow = [f"--ignore=tests/test_{name}.py" for name in ("book_build", "book_interrupt", "homework")] if quick else []
    slow.append("--ignore=tests/browser")  # they have their own part, after the book
    part("unit tests", [*PYTHON, "pytest", "tests", *WORKERS, "-rs", "--durations=5", *slow], counts=True)
    notebooks = touched() if quick else [str(p.with_suffix(".ipynb").relative_to(common.ROOT)) for p in common.chapters()]
    if notebooks:
        environment.pop("MPLBACKEND")
        environment["TQDM_DISABLE"] = "1"
        options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=300", "-p", "no:cacheprovider", "-p", "tools.kernels", *WORKERS]
        part("chapters", [*PYTHON, "pytest", *notebooks, *options], counts=True)
        if not quick:
            complete = [str(path.relative_to(common.ROOT)) for path in make_notebooks.instructor()]
            part("instructor edition", [*PYTHON, "pytest", *complete, *options], counts=True)
    if not quick and part("the book", [*PYTHON, "tools.build_book"]):
        pages = [*PYTHON, "pytest", "tests/browser", "-n", "2", "--dist", "load", "-rs", "--durations=5"]
        part("the book in a browser", pages, counts=True)
    print(f"\n== how long it took\n{common.table_of_times(times)}")
    print("\nFAILED: " + ", ".join(n for n, _, outcome in times if outcome.endswith("FAILED")) if broken else "")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(quick="--quick" in sys.argv[1:]))
