"""The exercises' checks: ``check("02-1", answer)`` says in one sentence what to look at next.

One module a chapter (``ch02.py``) holds the checks of its exercises. A check takes the reader's answer, a function or a value, and
returns None when it is right, or a sentence that helps. It runs offline and never prints the solution.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from recsys_lib.errors import BadData
from recsys_lib.exercises.clock import OutOfTime, within

Check = Callable[[object], str | None]
CHECKS: dict[str, Check] = {}
NONE_COUNTS: set[str] = set()  # exercises whose right answer may return None
SECONDS = 60.0
"""How long an answer may take, all calls of its check together."""
NOT_WRITTEN = "it is not written yet: replace the stub above and run this cell again."
RETURNED_NOTHING = "it returned nothing: it is not written yet, or it prints its answer; only `return` hands an answer to the caller."


@dataclass(frozen=True)
class Result:
    """What ``check`` found.

    Attributes:
        ident: id of the exercise, such as ``02-1``.
        passed: whether the answer is right. A Result is true when it is, so ``assert check(…)`` works.
        message: the sentence that was printed.
    """

    ident: str
    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        """Nothing: the sentence stands above already."""


def exercise(ident: str, none_counts: bool = False) -> Callable[[Check], Check]:
    """Register the check of one exercise; ``none_counts``: a right answer may return None. Raises BadData when the id is taken."""

    def register(function: Check) -> Check:
        if ident in CHECKS and CHECKS[ident].__module__ != function.__module__:
            raise BadData(f"exercise {ident} has two checks; give one of them another id.")
        CHECKS[ident] = function
        if none_counts:
            NONE_COUNTS.add(ident)
        return function

    return register


def find(ident: str) -> Check:
    """The check of one exercise. Raises BadData for an exercise that does not exist."""
    chapter = ident.partition("-")[0]
    if chapter.isdigit() and len(chapter) == 2:
        module = f"{__name__}.ch{chapter}"
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
    if ident not in CHECKS:
        raise BadData(f"there is no exercise {ident!r}; the id is the chapter and a running number, such as 02-1.")
    return CHECKS[ident]


def check(ident: str, answer: object) -> Result:
    """Check an answer, print one sentence, and return the :class:`Result`.

    Args:
        ident: id of the exercise, such as ``02-1``.
        answer: the reader's function or value. A stub that still raises ``NotImplementedError``, None and ``...`` count as not written.

    Raises:
        BadData: there is no such exercise. Whatever the answer itself raises becomes a sentence, and so does an answer that does not end.
    """
    function = find(ident)
    chapter, _, number = ident.partition("-")
    name = f"Exercise {int(chapter)}.{int(number)}"
    heard: list[bool] = []
    try:
        with within(SECONDS):
            problem = NOT_WRITTEN if answer is None or answer is ... else function(_listen(answer, heard) if callable(answer) else answer)
    except OutOfTime:
        problem = f"it had not ended after {SECONDS:g} seconds; does a loop wait for something that never comes?"
    except Exception as error:  # any mistake of the reader's becomes a sentence
        problem = NOT_WRITTEN if _is_stub(error, answer) else _tell(error, answer)
    if problem and heard and not any(heard) and ident not in NONE_COUNTS:
        problem = RETURNED_NOTHING
    passed = problem is None
    message = f"✓ {name}: right." if passed else f"✗ {name}: {problem}"
    print(message)
    return Result(ident, passed, message)


def _listen(answer: Callable[..., object], heard: list[bool]) -> Callable[..., object]:
    """The same function; ``heard`` gets a truth value a call, False where it returned None."""

    def listening(*args: object, **options: object) -> object:
        heard.append(True)  # and so it stays when the call raises
        result = answer(*args, **options)
        heard[-1] = result is not None
        return result

    return listening


def _code(answer: object) -> object:
    """The code of the reader's own function, under decorators such as ``functools.cache``; None where there is none."""
    return getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)


def _is_stub(error: Exception, answer: object) -> bool:
    """Whether a NotImplementedError stands in the answer itself; a library that it calls may raise one, too."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, NotImplementedError) and last.f_code is _code(answer)


def _tell(error: Exception, answer: object) -> str:
    """One sentence about an exception: what, and in which line of the reader's own code."""
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    code, place = _code(answer), None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if code is not None and frame.f_code is code:
            place = number
    if not callable(answer) and str(error).endswith("is not callable"):
        return "hand over the function itself, without brackets: `check(…, first)`, not what `first(…)` returned."
    if place is None:
        return f"the check could not use this answer ({words}); does it have the arguments and the type that the exercise asks for?"
    text = linecache.getline(code.co_filename, place).strip()
    line = f"line {place - code.co_firstlineno + 1} of {answer.__name__}{f' (`{text}`)' if text else ''}"
    return f"your code stopped in {line} with {words}."
