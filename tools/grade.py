"""Grade a heap of submissions: ``otter run`` on each, a table of marks, and a page of words for each student.

    python -m tools.grade AUTOGRADER.zip OUT SUBMISSION … [--limit 300] [--jobs 1]

A submission is a notebook, or a zip with one. Nothing is fetched and no container is needed. OUT, a new folder, gets ``marks.csv`` and, for
each submission, ``NAME.txt``: the marks of each question and, where some are missing, the sentence of each test that failed. NAME is the
file's, and where two files have one name, the folder's and the file's (``ana_hw1``). What could not be marked has zeros and a note in the table.
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
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from tools import common

FAILED = re.compile(r"^\s*(AssertionError|\w*(?:Error|Exception|OutOfTime)): (.+)$", re.MULTILINE)
DIED = "The notebook's process ended before its last cell, so nothing could be marked: is there a quit(), exit() or os._exit() in it, or did it run out of memory?"
BROKEN = "The file is empty, cut short or no notebook, so nothing could be marked: download the notebook again, open it once, and hand that in."
ENDINGS = {"DeadKernelError": DIED, **dict.fromkeys(("NotJSONError", "ValidationError", "UnicodeDecodeError", "BadZipFile"), BROKEN)}  # in otter's last line
NOTHING = "Nothing could be marked: does a cell change the folder (%cd, os.chdir) or remove tests/? Take it out, and hand the notebook in again."


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


def zeros(autograder: Path, name: str, why: str) -> Mark:
    """No point in any question of the autograder, and the reason."""
    with zipfile.ZipFile(autograder) as bundle:
        texts = [bundle.read(test).decode() for test in sorted(bundle.namelist()) if re.fullmatch(r"tests/\w+\.py", test)]
    found = [(re.search(r'^name = "(.+)"$', text, re.MULTILINE), re.search(r"^points = \[(.+)\]$", text, re.MULTILINE)) for text in texts]
    return Mark(name, {title[1]: (0.0, sum(map(float, points[1].split(",")))) for title, points in found if title and points}, {"all": [why]})


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
            return zeros(autograder, submission.stem, f"The notebook did not end within {limit:g} seconds, so nothing could be marked.")
        results = Path(scratch, "results.json")
        if not results.is_file():
            why = (said.strip() or "otter gave no reason").splitlines()[-1]
            why = next((sentence for word, sentence in ENDINGS.items() if word in why), f"The notebook could not be graded: {why}")
            return zeros(autograder, submission.stem, why)
        mark = read(submission.stem, json.loads(results.read_text(encoding="utf8")))
        return mark if mark.scores else zeros(autograder, submission.stem, NOTHING)


def read(name: str, results: dict) -> Mark:
    """Marks and sentences of otter's ``results.json``."""
    scores, words = {}, {}
    if results.get("output"):
        words["all"] = str(results["output"]).splitlines()
    for test in results["tests"]:
        if "max_score" not in test:
            continue
        scores[test["name"]] = (float(test.get("score", 0)), float(test["max_score"]))
        if test.get("score", 0) < test["max_score"]:
            words[test["name"]] = list(dict.fromkeys(sentence(*found) for found in FAILED.findall(str(test.get("output", "")))))
    return Mark(name, scores, words)


def sentence(kind: str, text: str) -> str:
    """What a failed test says: its own words, or, where it broke over an answer of another kind, that."""
    return text if kind == "AssertionError" else f"the test could not use what was returned ({kind}: {text}); is it of the type that the question asks for?"


def names(submissions: list[Path]) -> list[str]:
    """A name for each submission: that of its file, and where another has the same one, that of its folder and its file."""
    stems = Counter(path.stem for path in submissions)
    return [path.stem if stems[path.stem] == 1 else f"{path.resolve().parent.name}_{path.stem}" for path in submissions]


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
    if not zipfile.is_zipfile(given.autograder):
        print(f"{given.autograder} is no zip; name the autograder.zip that `make class` made.", file=sys.stderr)
        return 1
    if given.out.exists() and not given.out.is_dir():
        print(f"{given.out} is a file; name a folder for the marks.", file=sys.stderr)
        return 1
    if given.jobs < 1:
        print(f"--jobs is {given.jobs}; mark at least one submission at once.", file=sys.stderr)
        return 1
    if (given.out / "marks.csv").exists():
        print(f"{given.out} holds the marks of another run; name a new folder, so that none are overwritten.", file=sys.stderr)
        return 1
    called = names(given.submissions)
    if twice := [name for name, times in Counter(called).items() if times > 1]:
        print(f"two submissions would both be called {twice[0]}; rename one of them, or its folder.", file=sys.stderr)
        return 1
    given.out.mkdir(parents=True, exist_ok=True)  # before an hour of marking, not after it
    with ThreadPoolExecutor(given.jobs) as pool:
        marks = list(pool.map(lambda path: grade(given.autograder, path, given.limit), given.submissions))
    marks = [replace(mark, name=name) for mark, name in zip(marks, called, strict=True)]
    questions = list(dict.fromkeys(question for mark in marks for question in mark.scores))
    with open(given.out / "marks.csv", "w", newline="", encoding="utf8") as file:
        table = csv.writer(file)
        table.writerow(["submission", *questions, "total", "possible", "note"])
        for mark in marks:
            table.writerow([mark.name, *(mark.scores.get(q, ("", 0))[0] for q in questions), mark.total, mark.possible, " ".join(mark.words.get("all", []))])
    for mark in marks:
        (given.out / f"{mark.name}.txt").write_text(mark.page(), encoding="utf8")
        print(f"{mark.name}: {mark.total:g} of {mark.possible:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
