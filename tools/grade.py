"""Grade a heap of submissions: ``otter run`` on each, a table of marks, and a page of words for each student.

    python -m tools.grade AUTOGRADER.zip OUT SUBMISSION … [--limit 300] [--jobs 1]

A submission is a notebook, or a zip with one. Nothing is fetched and no container is needed. OUT gets ``marks.csv`` and, for each
submission, ``NAME.txt``: the marks of each question and, where some are missing, the sentence of each test that failed.
Students' code runs on this machine with your rights; use ``otter grade`` (a container) for submissions you do not trust.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tools import common

FAILED = re.compile(r"^\s*(?:AssertionError|\w*(?:Error|Exception|OutOfTime)): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Mark:
    """One submission's marks. ``scores``: of each question (points, of how many). ``words``: of each question that misses some."""

    name: str
    scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)

    total = property(lambda self: sum(points for points, _ in self.scores.values()), doc="Points in all.")
    possible = property(lambda self: sum(most for _, most in self.scores.values()), doc="Points there are.")

    def page(self) -> str:
        """What the student receives."""
        lines = [f"{self.name}: {self.total:g} of {self.possible:g} points", ""]
        lines += [sentence for sentence in self.words.get("all", [])]
        for question, (points, most) in self.scores.items():
            lines.append(f"{question}: {points:g} of {most:g}")
            lines += [f"  - {sentence}" for sentence in self.words.get(question, [])]
        return "\n".join(lines) + "\n"


def grade(autograder: Path, submission: Path, limit: float = 300) -> Mark:
    """Run otter on one submission, in a process of its own that is ended after ``limit`` seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "otter", "run", "--no-logo", "-a", str(autograder.resolve()), "-o", scratch, str(submission.resolve())]
        job = subprocess.Popen(command, cwd=scratch, env=common.one_thread(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            said, _ = job.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            for process in (*psutil.Process(job.pid).children(recursive=True), job):  # the kernel too, which has a session of its own
                process.kill()
            job.communicate()
            return Mark(submission.stem, words={"all": [f"The notebook did not end within {limit:g} seconds, so nothing could be marked."]})
        results = Path(scratch, "results.json")
        if not results.is_file():
            why = (said.strip() or "otter gave no reason").splitlines()[-1]
            return Mark(submission.stem, words={"all": [f"The notebook could not be graded: {why}"]})
        return read(submission.stem, json.loads(results.read_text(encoding="utf8")))


def read(name: str, results: dict) -> Mark:
    """Marks and sentences of otter's ``results.json``."""
    scores, words = {}, {}
    if results.get("output"):
        words["all"] = [str(results["output"])]
    for test in results["tests"]:
        if "max_score" not in test:
            continue
        scores[test["name"]] = (float(test.get("score", 0)), float(test["max_score"]))
        if test.get("score", 0) < test["max_score"]:
            words[test["name"]] = list(dict.fromkeys(FAILED.findall(str(test.get("output", "")))))
    return Mark(name, scores, words)


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.grade", description="Grade a heap of submissions.")
    parser.add_argument("autograder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("submissions", type=Path, nargs="+")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one submission")
    parser.add_argument("--jobs", type=int, default=1, help="submissions at once")
    given = parser.parse_args(arguments)
    if missing := [path for path in (given.autograder, *given.submissions) if not path.is_file()]:
        print(f"there is no file {missing[0]}; name an autograder.zip, a folder for the marks, and the submissions.", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(given.jobs) as pool:
        marks = list(pool.map(lambda path: grade(given.autograder, path, given.limit), given.submissions))
    given.out.mkdir(parents=True, exist_ok=True)
    questions = list(dict.fromkeys(question for mark in marks for question in mark.scores))
    with open(given.out / "marks.csv", "w", newline="", encoding="utf8") as file:
        table = csv.writer(file)
        table.writerow(["submission", *questions, "total", "possible"])
        for mark in marks:
            table.writerow([mark.name, *(mark.scores.get(q, ("", 0))[0] for q in questions), mark.total, mark.possible])
    for mark in marks:
        (given.out / f"{mark.name}.txt").write_text(mark.page(), encoding="utf8")
        print(f"{mark.name}: {mark.total:g} of {mark.possible:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
