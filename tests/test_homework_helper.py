"""What the homework's tests share: calls that end, sentences, planted events."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import torch

from recsys_lib.data import load
from recsys_lib.exercises import homework
from recsys_lib.exercises.homework import TESTING, OutOfTime, favourites, number, run, with_favourites, within
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
        {"name": "q2", "score": 2.0, "max_score": 5, "output": "q2 - 2 result:\n  Error at line 3\n  AssertionError: look at the ties.\n  AssertionError: look at the ties."},
    ]
}


def test_a_page_holds_the_marks_and_each_sentence_once():
    mark = grade.read("mira", RESULTS)
    assert (mark.total, mark.possible) == (7, 10)
    assert mark.page() == "mira: 7 of 10 points\n\nq1: 5 of 5\nq2: 2 of 5\n  - look at the ties.\n"


def test_the_table_has_a_row_for_each_submission_also_where_nothing_could_be_marked(tmp_path, monkeypatch):
    heap = [tmp_path / name for name in ("autograder.zip", "mira.ipynb", "omar.ipynb")]
    for path in heap:
        path.touch()
    marked = {"mira": grade.read("mira", RESULTS), "omar": grade.Mark("omar", words={"all": ["It could not be graded: no kernel"]})}
    monkeypatch.setattr(grade, "grade", lambda autograder, path, limit: marked[path.stem])
    assert grade.main([str(heap[0]), str(tmp_path / "out"), *map(str, heap[1:])]) == 0
    assert (tmp_path / "out" / "marks.csv").read_text().split() == ["submission,q1,q2,total,possible", "mira,5.0,2.0,7.0,10.0", "omar,,,0,0"]
    assert "no kernel" in (tmp_path / "out" / "omar.txt").read_text()


def test_a_submission_that_is_not_there_is_named(tmp_path, capsys):
    assert grade.main([str(tmp_path / "a.zip"), str(tmp_path / "out"), str(tmp_path / "b.ipynb")]) == 1
    assert "there is no file" in capsys.readouterr().err
