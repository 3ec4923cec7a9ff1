"""What models read from a log of events: flat arrays, person by person; read once; user codes checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from recsys_lib.data.log import ITEM, TIME, UNDATED, USER, InteractionLog
from recsys_lib.errors import BadData, NotFitted

Fit = TypeVar("Fit", bound=Callable[..., Any])


class Histories(NamedTuple):
    """Events person by person: person u's stand at ``start[u]:start[u + 1]`` of ``item`` and ``step``, oldest first.

    All int64, [n_users + 1] and [n_events + 1] (a zero closes them). ``step`` counts the person's distinct times: events
    of one time share a step.
    """

    start: np.ndarray
    item: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, log: InteractionLog) -> Histories:
        """All dated events of a log."""
        events = log.events[log.events[TIME] != UNDATED]
        user, item, when = (events[column].to_numpy(np.int64) for column in (USER, ITEM, TIME))
        order = np.lexsort((item, when, user))
        user, item, when = user[order], item[order], when[order]
        start = np.searchsorted(user, np.arange(log.n_users + 1))
        later = np.concatenate([[0], np.cumsum((np.diff(user) == 0) & (np.diff(when) > 0))])[: len(user)]
        return cls(start, np.append(item, 0), np.append(later - later[start[user]], 0))

    def batch(self, users: np.ndarray, width: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Last ``width`` events of each person: items and steps, int64 [len(users), longest]; empty places hold ``pad`` and step -1."""
        size = np.minimum(self.start[users + 1] - self.start[users], width)
        column = np.arange(max(1, size.max(initial=0)))
        there = column < size[:, None]
        at = np.where(there, self.start[users + 1, None] - size[:, None] + column, 0)
        item = np.where(there, self.item[at], pad)
        step = np.where(there, self.step[at] - self.step[at[:, :1]], -1)
        return torch.from_numpy(item), torch.from_numpy(step)


class Fitted:
    """Stands at a model's class where ``fit`` will put the log it learned from; until then, whoever reads it is told.

    Raises:
        NotFitted: there is no log yet.
    """

    def __get__(self, model: Any, kind: type) -> InteractionLog:
        raise NotFitted(f"{kind.__name__} is not fitted, so it has learned from no log; call fit(split.train, split.until) first.")


def whole(fit: Fit) -> Fit:
    """Half a training is no model: where this ``fit`` fails or is interrupted, the model is not fitted, whatever it was before."""

    @wraps(fit)
    def fitted(model: Any, *args: Any, **options: Any) -> Any:
        try:
            return fit(model, *args, **options)
        except BaseException:
            vars(model).pop("log", None)  # what stands there now is ``Fitted``
            raise

    return fitted


class Reader:
    """What a model reads from a log (a matrix, :class:`Histories`), read once: of the fitted log, and of the last ``history`` given.

    A judge asks block by block, always with the same history; a log is never changed in place.

    Args:
        read: log → what the model needs of it. fitted: the log the model was fitted on.
    """

    def __init__(self, read: Callable[[InteractionLog], Any], fitted: InteractionLog) -> None:
        self.read, self.fitted = read, read(fitted)
        self._last: tuple[InteractionLog | None, Any] = None, self.fitted

    def __call__(self, history: InteractionLog | None = None) -> Any:
        """What was read from ``history``, or from the fitted log where it is ``None``."""
        if history is None:
            return self.fitted
        if self._last[0] is not history:
            self._last = history, self.read(history)
        return self._last[1]


def check_codes(users: np.ndarray, fitted: InteractionLog, history: InteractionLog | None) -> np.ndarray:
    """User codes as int64, checked against the log they belong to: ``history`` if given, else the fitted log.

    Raises:
        BadData: a code is unknown, or the history has another item table than the fitted log.
    """
    if history is not None and history.n_items != fitted.n_items:
        raise BadData(f"the history has {history.n_items} items and the fitted log {fitted.n_items}; both must share one item table.")
    return (fitted if history is None else history).user_codes(users)
