"""What the homework's tests share: call a student's function within its time, say in a sentence what went wrong, plant a future.

A test calls ``run(function, …)``. Whatever the function does (it is missing, prints, raises, never ends), the test fails with one
sentence and the next test goes on. The tests themselves stand in ``homework/``.
"""

from __future__ import annotations

import io
import math
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_lib.data.log import ITEM, SCENE, TIME, InteractionLog
from recsys_lib.exercises import _is_stub, _tell
from recsys_lib.exercises.clock import OutOfTime, within

_ALL = 40.0  # seconds that one function gets in a graded notebook, all its calls together


@dataclass
class Clock:
    """A function, the seconds it took so far, and the sentence for its other tests once it ran out of time."""

    function: Callable[..., Any]
    spent: float = 0.0
    problem: str | None = None


_CLOCKS: list[Clock] = []
_graded = False  # set by watch; a student at work may call a test as often as they like


def run(function: Callable[..., Any] | None, *args: Any, seconds: float = 10, **options: Any) -> Any:
    """The result of a student's function.

    Args:
        function: what the notebook holds under the name asked for; ``None`` if it holds nothing.
        seconds: after this time the call is given up; in a graded notebook also after 40 seconds of all its calls together.

    Raises:
        AssertionError: there is no result; the message is one sentence for the student.
    """
    if not callable(function):
        raise AssertionError("the function is not there: was its cell deleted, renamed, or stopped by an error above it? Run all cells from the top.")
    name, problem = getattr(function, "__name__", "the function"), None
    clock = next((clock for clock in _CLOCKS if clock.function is function), None)
    if clock is None:
        _CLOCKS.append(clock := Clock(function))
    if clock.problem:
        raise AssertionError(clock.problem)
    left = _ALL - clock.spent if _graded else math.inf
    began = time.monotonic()
    try:
        with within(min(seconds, left)):
            result = function(*args, **options)
    except OutOfTime:
        if seconds <= left:
            clock.problem = f"{name} did not return within {seconds:g} seconds: is there a loop that never ends, or one over every pair?"
        else:
            clock.problem = f"{name} took more than {_ALL:g} seconds in all its calls, so its other tests were left out: what can be computed without a loop?"
        problem = clock.problem
    except Exception as error:  # any mistake of the student's becomes a sentence
        problem = f"{name} is not written yet." if _is_stub(error, function) else f"{name}: {_tell(error, function)}"
    finally:
        clock.spent += time.monotonic() - began
    if problem:
        raise AssertionError(problem)
    if result is None or result is ...:
        raise AssertionError(f"{name} returned nothing: it is not written yet, or it prints its answer; only `return` hands an answer to the caller.")
    return result


def number(got: Any) -> float:
    """A student's answer as a plain number; AssertionError with a sentence where it is none."""
    try:
        if np.ndim(got) == 0:
            return float(got)
    except (TypeError, ValueError):
        pass
    raise AssertionError(f"one plain number was asked for, not a {type(got).__name__}: return a float, with no brackets around it.")


def through_file(state: Any) -> Any:
    """What ``torch.load`` reads of the file that ``torch.save`` wrote; AssertionError with a sentence where one of them refuses."""
    import torch

    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    except Exception as error:
        words = "the state does not come back from a file: torch.load(..., weights_only=True) reads tensors, numbers, strings, lists and dicts, "
        raise AssertionError(words + "so leave out numpy's random state and objects of other kinds.") from error


TESTING = re.compile(r"(\w+(\(\))?\.check\(\"\w+\"\)\s*)+|from otter\.execute import Checker\n.*", re.DOTALL)


def watch(seconds: float) -> None:
    """From now on each cell of this notebook gets ``seconds``; a cell that takes longer is stopped with a sentence.

    Cells that only call tests are left alone: there each call of a student's function has its own time (:func:`run`).
    """
    from IPython import get_ipython

    global _graded
    _graded = True
    shell = get_ipython()
    if not hasattr(signal, "setitimer"):
        return

    def ring(*_: object) -> None:
        raise OutOfTime(f"this cell ran longer than {seconds:g} seconds and was stopped.")

    def arm(info: Any) -> None:
        if TESTING.fullmatch(info.raw_cell.strip()):
            return
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)

    shell.events.register("pre_run_cell", arm)
    shell.events.register("post_run_cell", lambda *_: signal.setitimer(signal.ITIMER_REAL, 0))


def with_favourites(log: InteractionLog, since: int, until: int | None, favourites: Sequence[np.ndarray]) -> InteractionLog:
    """The same log, but the events with since <= time (< until) are with their scene's favourites, taken in turn.

    Who did something, where and when stays; only what they took is planted.

    Args:
        favourites: for each scene, item codes of that scene; an empty array leaves the scene as it is.
    """
    events = log.events.copy()
    time_, scene, item = (events[c].to_numpy() for c in (TIME, SCENE, ITEM))
    item = item.copy()
    for s, chosen in enumerate(favourites):
        rows = np.flatnonzero((scene == s) & (time_ >= since) & (time_ < (until if until is not None else np.inf)))
        if len(chosen):
            item[rows] = np.asarray(chosen)[np.arange(len(rows)) % len(chosen)]
    return log.with_events(events.assign(**{ITEM: item}))


def favourites(log: InteractionLog, since: int | None, until: int, k: int = 5) -> list[np.ndarray]:
    """For each scene the ``k`` items with most events in since <= time < until: list of int64 arrays."""
    e = log.events
    count = np.bincount(e[ITEM][(e[TIME] >= (since or 0)) & (e[TIME] < until)], minlength=log.n_items)
    scenes = [log.scene_items(s) for s in range(log.n_scenes)]
    return [items[np.argsort(-count[items], kind="stable")[:k]] if count[items].any() else items[:0] for items in scenes]
