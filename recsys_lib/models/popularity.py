"""Popularity: what everyone takes. Counted over all time, over a recent window, or with learned weights on several windows."""

from __future__ import annotations

import numpy as np
import torch

from recsys_lib.data.log import DAY, ITEM, TIME, UNDATED, InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.models.histories import Fitted, check_codes, whole


def _end(log: InteractionLog, until: int | None) -> int:
    """T if given, else just after the last event."""
    return until if until is not None else int(log.events[TIME].max()) + 1 if len(log.events) else 0


def _needs_days(log: InteractionLog) -> None:
    if log.time_kind not in ("second", "day"):
        raise BadData(f"a window in days needs calendar time, and {log.name} has time in {log.time_kind!r}; use Popularity(window=None).")


FIRST = 0.25
"""The weight of each window before anything is learned."""


class Popularity:
    """Score = events of the item in the last ``window`` days before T. Everyone sees the same list.

    Args:
        window: days; ``None`` counts all time.

    Attributes:
        count: float32 [n_items].
    """

    log = Fitted()

    def __init__(self, window: float | None = None) -> None:
        if window is not None and not window > 0:
            raise BadData(f"window is {window}; give a positive number of days, or None for all time.")
        self.window = window

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> Popularity:
        """Count the events before ``until`` (all if None). A window ends at ``until``, or just after the last event.

        Raises:
            BadData: a window in days meets a log without calendar time.
        """
        self.log = log.before(until)
        events = self.log.events
        if self.window is not None:
            _needs_days(log)
            events = events[(events[TIME] != UNDATED) & (events[TIME] >= _end(self.log, until) - self.window * DAY)]
        self.count = np.bincount(events[ITEM], minlength=log.n_items).astype(np.float32)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """The same counts for each user: float32 [len(users), items in scene]."""
        check_codes(users, self.log, history)
        return np.tile(self.count[self.log.scene_items(scene)], (len(users), 1))


class PopularityPrior:
    """A learned time-aware prior: score = Σ_w weight[scene, w] · log(1 + events in the last w days before T).

    The weights are a conditional logit (McFadden, 1974): at each of ``cuts`` moments inside training, ``step`` days apart, the
    windows are counted strictly before the moment, and the items taken in the following ``step`` days are the choices among
    all items of the scene. The weights of a scene maximise the mean log-likelihood of these choices minus .001 · Σ weight² (a little ridge,
    since counts of nested windows are much alike). A scene in which no item had a count at any of these moments, since it is younger than they
    are, keeps the weights it begins with, equal for all windows.

    Args:
        windows: days. cuts: moments. step: days between them, and how far each looks ahead.

    Attributes:
        weight: float64 [n_scenes, n_windows].
        features: float64 [n_items, n_windows], log counts at T.
    """

    log = Fitted()

    def __init__(self, windows: tuple[float, ...] = (14, 30, 90, 365), cuts: int = 12, step: float = 14) -> None:
        if not len(windows) or any(number is None or not number > 0 for number in (*windows, cuts, step)):
            raise BadData(f"windows are {windows}, cuts {cuts}, step {step}; give one window at least, and positive numbers.")
        self.windows, self.cuts, self.step = windows, cuts, step

    def _features(self, log: InteractionLog, at: float) -> np.ndarray:
        time, item = log.events[TIME].to_numpy(), log.events[ITEM].to_numpy()
        counts = [np.bincount(item[(time < at) & (time >= at - w * DAY)], minlength=log.n_items) for w in self.windows]
        return np.log1p(np.stack(counts, 1).astype(np.float64))

    @whole
    def fit(self, log: InteractionLog, until: int | None = None) -> PopularityPrior:
        """Learn the weights from the events before ``until``; windows at the end count up to ``until``.

        Raises:
            BadData: the log has no calendar time.
        """
        _needs_days(log)
        self.log = log.before(until)
        end, step = _end(self.log, until), self.step * DAY
        moments = [end - (k + 1) * step for k in range(self.cuts)]
        events = self.log.events
        time, item = events[TIME].to_numpy(), events[ITEM].to_numpy()
        x = torch.from_numpy(np.stack([self._features(self.log, m) for m in moments]))
        taken = torch.from_numpy(np.stack([np.bincount(item[(time >= m) & (time < m + step)], minlength=log.n_items) for m in moments]).astype(float))
        self.weight = np.full((log.n_scenes, len(self.windows)), FIRST)
        for scene in range(log.n_scenes):
            items = log.scene_items(scene)
            if len(items) and taken[:, items].sum() > 0 and x[:, items].any():
                self.weight[scene] = _logit(x[:, items], taken[:, items])
        self.features = self._features(self.log, end)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """The same scores for each user: float32 [len(users), items in scene]."""
        check_codes(users, self.log, history)
        items = self.log.scene_items(scene)
        return np.tile((self.features[items] @ self.weight[self.log.scene_code(scene)]).astype(np.float32), (len(users), 1))


def _logit(x: torch.Tensor, taken: torch.Tensor) -> np.ndarray:
    """Weights [windows] of the conditional logit; x [moments, items, windows], taken counts [moments, items]."""
    w = torch.full((x.shape[2],), FIRST, dtype=x.dtype, requires_grad=True)
    optimiser = torch.optim.LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = -(taken * torch.log_softmax(x @ w, 1)).sum() / taken.sum() + 1e-3 * (w**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return w.detach().numpy()
