"""What the homework's tests share: calls that end, sentences, planted events."""

from __future__ import annotations

import signal
import time
import zipfile
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch

from recsys_lib.data import load
from recsys_lib.exercises import homework
from recsys_lib.exercises.homework import TESTING, OutOfTime, favourites, number, run, with_favourites, within
from recsys_lib.exercises.otter_guard import Guard
from tools import grade

alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm on this system")


def test_a_result_passes_through():
    assert run(lambda x, y=1: x + y, 2, y=3) == 5


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (None, "is not there"),
        (3, "is not there"),
        (lambda: None, "only `return`"),
        (lambda: ..., "only `return`"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: undefined_name, "NameError"),  # noqa: F821
    ],
)
def test_what_is_no_result_becomes_a_sentence(function, words):
    with pytest.raises(AssertionError, match=words):
        run(function)


@alarm
def test_an_endless_loop_ends_even_where_it_swallows_exceptions_and_costs_its_time_once():
    def endless():
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass

    began = time.perf_counter()
    for _ in range(3):
        with pytest.raises(AssertionError, match="never ends"):
            run(endless, seconds=0.3)
    assert time.perf_counter() - began < 1.5


@alarm
def test_a_function_that_is_slow_in_all_its_calls_is_left_out_of_the_rest_where_marks_are_given(monkeypatch):
    def slow():
        return time.sleep(0.1) or 1

    monkeypatch.setattr(homework, "_ALL", 0.35)
    assert sum(run(slow) for _ in range(5)) == 5  # a student at work may ask as often as they like
    monkeypatch.setattr(homework, "_graded", True)
    monkeypatch.setattr(homework, "_CLOCKS", [])
    began = time.perf_counter()
    assert sum(run(slow) for _ in range(3)) == 3
    for _ in range(3):
        with pytest.raises(AssertionError, match="took more than 0.35 seconds in all its calls"):
            run(slow)
    assert time.perf_counter() - began < 0.6 and run(lambda: 2) == 2


@pytest.mark.parametrize("got", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5)])
def test_one_number_of_any_type_is_a_number(got):
    assert number(got) == 0.5


@pytest.mark.parametrize("got", [[0.5], np.array([0.5]), "half", {"ndcg": 0.5}, [[1], [2, 3]]])
def test_what_is_no_number_becomes_a_sentence(got):
    with pytest.raises(AssertionError, match="one plain number was asked for"):
        number(got)


@alarm
def test_an_inner_clock_leaves_the_outer_one_its_rest():
    with pytest.raises(OutOfTime), within(0.3):
        with within(5):
            time.sleep(0.1)
        time.sleep(2)
    time.sleep(0.05)  # and no alarm is left behind


def test_cells_that_only_test_are_told_from_others():
    assert TESTING.fullmatch('grader.check("q1")') and TESTING.fullmatch('notebook_ab().check("q1")\nnotebook_ab().check("q2")')
    assert TESTING.fullmatch("from otter.execute import Checker\nfor t in []:\n    pass")
    assert not TESTING.fullmatch('while True: pass\ngrader.check("q1")')


def test_planted_favourites_move_items_and_nothing_else():
    log = load("sceneworld", preset="tiny", seed=3)
    e = log.events
    cut = int(e.time.quantile(0.8))
    loved = favourites(log, None, cut, k=3)
    assert [len(x) for x in loved] == [3, 3, 3, 3, 3, 0, 0, 0] and all(log.items.scene[x].eq(s).all() for s, x in enumerate(loved))
    planted = with_favourites(log, cut, None, loved).events
    late = (e.time >= cut).to_numpy()
    assert planted[~late].equals(e[~late]) and planted[["user", "scene", "time"]].equals(e[["user", "scene", "time"]])
    assert np.isin(planted.item[late], np.concatenate(loved)).all()


RESULTS = {
    "tests": [
        {"name": "Public Tests", "output": "q1 results: All test cases passed!"},
        {"name": "q1", "score": 5, "max_score": 5, "output": "q1 results: All test cases passed!"},
        {"name": "q2", "score": 2.0, "max_score": 5, "output": "q2 - 2 result:\n  Error at line 3\n  AssertionError: look at the ties.\n  AssertionError: look at the ties.\n  TypeError: no len()"},
    ]
}


def test_a_page_holds_the_marks_and_each_sentence_once():
    mark = grade.read("mira", RESULTS)
    assert (mark.total, mark.possible) == (7, 10)
    assert mark.page() == "mira: 7 of 10 points\n\nq1: 5 of 5\nq2: 2 of 5\n  - look at the ties.\n  - the test could not use what was returned (TypeError: no len()); is it of the type that the question asks for?\n"


def test_the_table_has_a_row_for_each_submission_also_where_nothing_could_be_marked(tmp_path, monkeypatch):
    heap = [tmp_path / name for name in ("autograder.zip", "mira.ipynb", "omar.ipynb")]
    for path in heap:
        path.touch()
    zipfile.ZipFile(heap[0], "w").close()
    marked = {"mira": grade.read("mira", RESULTS), "omar": grade.Mark("omar", words={"all": ["It could not be graded: no kernel"]})}
    monkeypatch.setattr(grade, "grade", lambda autograder, path, limit: marked[path.stem])
    assert grade.main([str(heap[0]), str(tmp_path / "out"), *map(str, heap[1:])]) == 0
    table = ["submission,q1,q2,total,possible,note", "mira,5.0,2.0,7.0,10.0,", "omar,,,0,0,It could not be graded: no kernel"]
    assert (tmp_path / "out" / "marks.csv").read_text().splitlines() == table
    assert "no kernel" in (tmp_path / "out" / "omar.txt").read_text()


def test_marks_that_are_there_stay(tmp_path, capsys):
    for name in ("mira.ipynb", "marks.csv"):
        (tmp_path / name).write_text("mine")
    zipfile.ZipFile(tmp_path / "autograder.zip", "w").close()
    assert grade.main([str(tmp_path / "autograder.zip"), str(tmp_path), str(tmp_path / "mira.ipynb")]) == 1
    assert "holds the marks of another run" in capsys.readouterr().err and (tmp_path / "marks.csv").read_text() == "mine"


@pytest.mark.parametrize(("autograder", "out", "jobs", "says"), [("mira.ipynb", "new", "1", "is no zip"), ("a.zip", "mira.ipynb", "1", "is a file"), ("a.zip", "new", "0", "--jobs is 0")])
def test_what_would_spoil_an_hour_of_marking_is_said_before_it(tmp_path, monkeypatch, capsys, autograder, out, jobs, says):
    (tmp_path / "mira.ipynb").write_text("{}")
    zipfile.ZipFile(tmp_path / "a.zip", "w").close()
    monkeypatch.setattr(grade, "grade", lambda *_: pytest.fail("a submission was marked"))
    assert grade.main([str(tmp_path / autograder), str(tmp_path / out), str(tmp_path / "mira.ipynb"), "--jobs", jobs]) == 1
    assert says in capsys.readouterr().err


def test_two_files_of_one_name_are_two_submissions(tmp_path, monkeypatch, capsys):
    heap = [tmp_path / name for name in ("autograder.zip", "ana/hw1.ipynb", "ben/hw1.ipynb", "omar.ipynb", "ben/hw1.zip")]
    for path in heap:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    zipfile.ZipFile(heap[0], "w").close()
    monkeypatch.setattr(grade, "grade", lambda autograder, path, limit: grade.read(path.stem, RESULTS))
    assert grade.main([str(heap[0]), str(tmp_path / "out"), *map(str, heap[1:4])]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ana_hw1.txt", "ben_hw1.txt", "marks.csv", "omar.txt"]
    assert [row.split(",")[0] for row in (tmp_path / "out" / "marks.csv").read_text().splitlines()] == ["submission", "ana_hw1", "ben_hw1", "omar"]
    assert grade.main([str(heap[0]), str(tmp_path / "new"), *map(str, heap[1:])]) == 1
    assert "both be called ben_hw1" in capsys.readouterr().err


class Results:
    """What the guard does to otter's results."""

    def __init__(self) -> None:
        self.test_files, self.scores, self.output = ["q1"], {"q1": 5}, ""

    def update_score(self, name: str, score: float) -> None:
        self.scores[name] = score

    def set_output(self, text: str) -> None:
        self.output = text


@pytest.mark.parametrize(
    ("cell", "points", "words"),
    [
        ("open('tests/q6.py', 'w').write('')", 0, "were changed"),
        ("open('tests/q1.py', 'w').write('')", 0, "were changed"),
        ("open('vectors.npy', 'w').write('')", 0, "were changed"),
        ("import os; os.remove('scenes.csv')", 0, "were changed"),
        ("open('mine.npy', 'w').write(''); open('mine.csv.gz', 'w').write('')", 5, ""),
        ("import numpy as np\nnp.allclose = print", 5, "uses `np.allclose =`"),
        ("from recsys_lib.exercises import homework", 5, "uses `recsys_lib.exercises`"),
        ("import otter\notter.check = None", 5, "uses `import otter`"),
        ("same = np.allclose == print  # we inspect it", 5, ""),
    ],
)
def test_the_guard_tells_tampering_from_work(tmp_path, monkeypatch, cell, points, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").mkdir()
    for name in ("tests/q1.py", "vectors.npy", "scenes.csv"):
        (tmp_path / name).write_text("ours")
    given = ['import otter\n\ngrader = otter.Notebook(tests_dir="tests")', cell, 'grader.check("q1")']
    guard, results = Guard("", {}, {}), Results()
    guard.before_execution(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in given]))
    if "open(" in cell or "os." in cell:
        exec(cell, {})
    guard.after_grading(results)
    assert results.scores == {"q1": points} and words in results.output and bool(words) == bool(results.output)


def test_marks_start_the_long_clock(monkeypatch):
    monkeypatch.setattr(homework, "_graded", False)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(events=SimpleNamespace(register=print)))
    homework.watch(60)
    assert homework._graded


def test_a_submission_that_is_not_there_is_named(tmp_path, capsys):
    assert grade.main([str(tmp_path / "a.zip"), str(tmp_path / "out"), str(tmp_path / "b.ipynb")]) == 1
    assert "there is no file" in capsys.readouterr().err
