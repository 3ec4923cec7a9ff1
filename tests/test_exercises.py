"""Exercises: every one has a check, right answers that pass, and planted mistakes that the check names."""

from __future__ import annotations

import importlib.util
import re
from functools import cache

import numpy as np
import pytest
from scipy import sparse

from recsys_lib import exercises
from recsys_lib.errors import BadData
from tools import common

DIRECTIVE = re.compile(r"^:{3,}\{exercise\}[ \t]+(?P<ident>\S+).*\n(?P<options>(?::[\w-]+:.*\n)*)", re.M)


@cache
def stated() -> dict[str, bool]:
    """Id of each exercise in the chapters → whether it is central."""
    found = {}
    for source in common.chapters():
        for match in DIRECTIVE.finditer(source.read_text(encoding="utf8")):
            assert match["ident"] not in found, f"exercise {match['ident']} stands twice"
            assert match["ident"].startswith(source.name[:2] + "-"), f"{source.name} has exercise {match['ident']}"
            found[match["ident"]] = ":central:" in match["options"]
    return found


@cache
def cases(chapter: str):
    """Module ``tests/exercises/chNN.py``, with ``RIGHT`` (id → answers) and ``WRONG`` (id → (answer, phrase) pairs)."""
    path = common.ROOT / "tests" / "exercises" / f"ch{chapter}.py"
    assert path.is_file(), f"the exercises of chapter {chapter} have no cases; write {path.relative_to(common.ROOT)}"
    spec = importlib.util.spec_from_file_location(f"exercise_cases_{chapter}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not common.has_solutions(), reason="a class's copy: the right answers were left out")
@pytest.mark.parametrize("ident", sorted(stated()))
def test_exercise(ident, capsys):
    module = cases(ident[:2])
    right, wrong = module.RIGHT.get(ident, []), module.WRONG.get(ident, [])
    assert right, f"exercise {ident} has no right answer in its cases"
    assert len(wrong) >= (2 if stated()[ident] else 1), f"exercise {ident} has {len(wrong)} wrong answers in its cases"
    for answer in right:
        result = exercises.check(ident, answer)
        assert result, result.message
    for answer, phrase in wrong:
        result = exercises.check(ident, answer)
        assert not result, f"exercise {ident} accepts the mistake that should be told {phrase!r}"
        assert phrase in result.message, f"expected {phrase!r} in: {result.message}"
        assert result.message.rstrip().endswith((".", "?", "!")), f"not a sentence: {result.message}"
    assert exercises.check(ident, None).message.endswith("run this cell again.")
    assert "Traceback" not in capsys.readouterr().out


def as_float32(value):
    """What torch would have returned: floats and arrays of floats in single precision."""
    if isinstance(value, tuple):
        return tuple(as_float32(v) for v in value)
    if isinstance(value, dict):
        return {k: as_float32(v) for k, v in value.items()}
    floats = isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    return np.float32(value) if floats else value


@pytest.mark.skipif(not common.has_solutions(), reason="a class's copy: the right answers were left out")
@pytest.mark.parametrize("ident", sorted(stated()))
def test_single_precision_is_right_as_well(ident, capsys):
    for answer in cases(ident[:2]).RIGHT[ident]:
        result = exercises.check(ident, lambda *x, answer=answer, **options: as_float32(answer(*x, **options)))
        assert result, result.message
    capsys.readouterr()


@pytest.mark.skipif(not common.has_solutions(), reason="a class's copy: the right answers were left out")
@pytest.mark.parametrize("ident", sorted(stated()))
def test_an_answer_that_prints_is_told_to_return(ident, capsys):
    result = exercises.check(ident, lambda *x, **options: print("the answer"))
    assert not result and (ident in exercises.NONE_COUNTS or "only `return` hands" in result.message), result.message
    capsys.readouterr()


def test_no_check_without_an_exercise():
    for path in (common.ROOT / "recsys_lib" / "exercises").glob("ch*.py"):
        importlib.import_module(f"recsys_lib.exercises.{path.stem}")
    extra = {ident for ident, function in exercises.CHECKS.items() if function.__module__.startswith("recsys_lib.")} - set(stated())
    assert not extra, f"checks without an exercise in a chapter: {sorted(extra)}"


@pytest.fixture
def doubled():
    """A check for an exercise of a chapter that will never be."""

    @exercises.exercise("99-1")
    def double(answer):
        return None if answer(3) == 6 else "double(3) should be 6."

    yield "99-1"
    del exercises.CHECKS["99-1"]


def stub(x):
    raise NotImplementedError("Exercise 99.1: write double.")


def divides(x):
    y = x - 3
    return x / y


@cache
def cached_stub(x):
    raise NotImplementedError("Exercise 99.1: write double.")


def borrows(x):
    return sparse.csr_matrix([[x]]) + 1


@pytest.mark.parametrize(
    ("answer", "passed", "phrase"),
    [
        (lambda x: 2 * x, True, "right"),
        (lambda x: x, False, "should be 6"),
        (stub, False, "not written yet"),
        (None, False, "not written yet"),
        (..., False, "not written yet"),
        (divides, False, "line 3 of divides (`return x / y`) with ZeroDivisionError"),
        (lambda: 6, False, "arguments and the type"),
        (6, False, "without brackets"),
        ([6], False, "without brackets"),
        (lambda x: None, False, "only `return` hands"),
        (borrows, False, "line 2 of borrows (`return sparse.csr_matrix([[x]]) + 1`) with NotImplementedError"),
        (cached_stub, False, "not written yet"),
    ],
)
def test_check_answers_in_a_sentence(doubled, capsys, answer, passed, phrase):
    result = exercises.check(doubled, answer)
    assert bool(result) is result.passed is passed
    assert phrase in result.message
    assert capsys.readouterr().out == result.message + "\n"


def test_an_error_after_nothing_is_told_itself(monkeypatch):
    def fails_at_zero(x):
        if x == 0:
            return 1 / x

    monkeypatch.setitem(exercises.CHECKS, "99-2", lambda answer: (answer(1), answer(0)))
    assert "line 3 of fails_at_zero (`return 1 / x`) with ZeroDivisionError" in exercises.check("99-2", fails_at_zero).message


def test_check_takes_arrays(monkeypatch):
    monkeypatch.setitem(exercises.CHECKS, "99-2", lambda answer: None if answer.sum() == 3 else "the sum should be 3.")
    assert exercises.check("99-2", np.arange(3))
    assert "should be 3" in exercises.check("99-2", np.arange(4)).message


@pytest.mark.parametrize("ident", ["98-1", "1", "", "xx-1"])
def test_unknown_exercise(ident):
    with pytest.raises(BadData, match="there is no exercise"):
        exercises.check(ident, None)


def test_an_answer_that_does_not_end_is_stopped(monkeypatch):
    def forever(scores, k):
        while True:
            try:
                k += 1
            except Exception:
                pass

    monkeypatch.setattr(exercises, "SECONDS", 0.2)
    result = exercises.check("00-1", forever)
    assert not result and "had not ended after 0.2 seconds" in result.message
