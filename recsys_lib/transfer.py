"""Across scenes: what one scene gives another, what is left on a scene's first day, and when its own events take over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_lib.data.log import ITEM, NAME, SCENE, TIME, USER, InteractionLog
from recsys_lib.data.splits import ARRIVAL, Split, held_out_scene
from recsys_lib.errors import BadData
from recsys_lib.evaluation import Judgement, compare, judge, list_facts, over_seeds
from recsys_lib.models.histories import Fitted
from recsys_lib.recommend import recommend

if TYPE_CHECKING:
    from recsys_lib.data.sceneworld import World

Make = Callable[[int], Any]  # seed → a model, not fitted yet


def restricted(log: InteractionLog, scenes: Sequence[int | str]) -> InteractionLog:
    """The same people, items and scenes with the events of ``scenes`` (codes or names) alone. Raises BadData for a scene the log does not have."""
    return log.with_events(log.events[log.events[SCENE].isin([log.scene_code(scene) for scene in scenes])])


def asked(split: Split, mask: np.ndarray) -> Split:
    """The split with the questions of ``mask`` (bool [pairs]) alone; training stays whole."""
    keep = np.flatnonzero(mask)
    return replace(split, pairs=split.pairs.iloc[keep].reset_index(drop=True), positives=[split.positives[k] for k in keep])


def judged(make: Make, split: Split, seeds: Sequence[int] = (0,), name: str | None = None) -> Judgement:
    """Fit on the split's training once a seed, judge, and average each question over the seeds."""
    return over_seeds([judge(make(seed).fit(split.train, split.until), split, name) for seed in seeds])


def transfer_matrix(make: Make, split: Split, seeds: Sequence[int] = (0,), metric: str = "ndcg10") -> pd.DataFrame:
    """What training on a source scene beside the target changes in the target, by kind of person, each cell paired and with its interval.

    One system is fitted on each scene alone and on each pair of scenes, always before T, and asked in the scenes it was fitted on.

    Args:
        make: seed → a model. split: a temporal split. seeds: ≥ 5 for figures that are reported.

    Returns:
        One row a (source, target, person): ``alone`` (the metric when trained on the target only), ``difference`` (both scenes minus alone)
        with its 95 % interval ``low``, ``high``, ``relative``, ``n``, and ``verdict``: gain, negative transfer, or not told apart.
    """
    names, live = split.log.scenes[NAME], np.intersect1d(split.pairs[SCENE], split.train.events[SCENE])
    runs: dict[tuple[tuple[int, ...], int], list[Judgement]] = {}
    for group in [(t,) for t in live] + list(combinations(live, 2)):
        for seed in seeds:
            model = make(seed).fit(restricted(split.train, group), split.until)
            for target in group:
                runs.setdefault((group, target), []).append(judge(model, asked(split, (split.pairs[SCENE] == target).to_numpy())))
    rows = []
    for source, target in ((s, t) for s in live for t in live if s != t):
        both, alone = over_seeds(runs[tuple(sorted((source, target))), target]), over_seeds(runs[(target,), target])
        for person in alone.pairs["person"].unique():
            gap = compare(both, alone, metric, person, "all")
            cell = {"source": names[source], "target": names[target], "person": person, "alone": alone.value(metric, person, "all")}
            rows.append(cell | gap | {"verdict": verdict(gap["low"], gap["high"])})
    return pd.DataFrame(rows)


def verdict(low: float, high: float) -> str:
    """``gain`` or ``negative transfer`` where the interval is clear of zero, else ``not told apart``."""
    return "gain" if low > 0 else "negative transfer" if high < 0 else "not told apart"


def few_shot(log: InteractionLog, scene: int | str, shots: Sequence[int]) -> dict[int, Split]:
    """A scene that opened ``n`` events before T, for each n of ``shots``: its n latest events join what the other scenes know; 0 is the held-out scene.

    The questions are the same for each n, and so are the kinds of persons: those of the opening day (arrival: known elsewhere; stranger).
    A number above the scene's events before T, or below 0, is refused by BadData.
    """
    base, code = held_out_scene(log, scene), log.scene_code(scene)
    past = log.before(base.until).events
    here = past[past[SCENE] == code]
    if min(shots, default=0) < 0:
        raise BadData(f"shots are {tuple(shots)}; give numbers of events, 0 or more.")
    if max(shots, default=0) > len(here):
        raise BadData(f"{log.scenes[NAME][code]} has {len(here):,} events before T, and {max(shots):,} were asked for; ask for fewer.")
    out = {}
    for n in shots:
        events = pd.concat([base.train.events, here.iloc[len(here) - n :]]).sort_values([TIME, USER, ITEM], kind="stable")
        out[n] = replace(base, train=log.with_events(events), protocol=f"few shots: {n} events of {log.scenes[NAME][code]}")
    return out


def crossing(shots: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float:
    """After how many events ``second`` is ahead of ``first`` for good: between two measured points along log(1 + n).

    ``inf`` where it is not ahead at the end, ``shots[0]`` where it always was. ``shots`` ascends.
    """
    gap = np.asarray(second, float) - np.asarray(first, float)
    behind = np.flatnonzero(~(gap > 0))
    if not len(behind):
        return float(shots[0])
    k = int(behind[-1])
    if k == len(gap) - 1:
        return float("inf")
    x0, x1 = np.log1p(shots[k]), np.log1p(shots[k + 1])
    return float(np.expm1(x0 + (x1 - x0) * -gap[k] / (gap[k + 1] - gap[k])))


def described(split: Split, scene: int | str) -> Split:
    """The questions of a scene that nobody has entered: everyone with a past, and no positives. To be judged by :func:`judge_truth`."""
    people = np.unique(split.train.events[USER])
    pairs = pd.DataFrame({USER: people, SCENE: split.log.scene_code(scene), "kind": ARRIVAL})
    return replace(split, pairs=pairs, positives=[np.zeros(0, np.int64)] * len(pairs), protocol="described only")


def judge_truth(model: Any, split: Split, world: World, name: str | None = None, k: int = 10) -> Judgement:
    """The interventional judge of SceneWorld: the mean true P(click | shown) of the first ``k``, for each question; bots are not asked.

    Works where there is no event at all. The pairs' metric is called ``clicks``: expected clicks a place, were all k shown.
    """
    some = asked(split, ~world.truth.bot[split.pairs[USER].to_numpy()])
    user, scene = some.pairs[USER].to_numpy(), some.pairs[SCENE].to_numpy()
    lists = np.full((len(user), k), -1)
    for s in np.unique(scene):
        lists[scene == s] = recommend(model, user[scene == s], int(s), k, some.train)
    if (lists < 0).any():
        raise BadData(f"a list of {k} has empty places, whose clicks nobody can say; ask for fewer.")
    clicks = world.click_probability(user[:, None], lists).mean(1)
    pairs = pd.DataFrame({"user": user, "scene": scene, "person": some.pairs["kind"], "item": "all", "positives": k, "clicks": clicks})
    facts = list_facts(lists, scene, split.log.items[SCENE].to_numpy(), np.bincount(split.train.events[ITEM], minlength=split.log.n_items))
    return Judgement(name or type(model).__name__, f"{split.protocol}, true clicks", pairs, lists, facts, 0.0, 0)


class Switch:
    """Serve a scene by ``young`` while it has fewer than ``enough`` events in training, and by ``grown`` from then on. Both are models, fitted here."""

    log = Fitted()

    def __init__(self, young: Any, grown: Any, enough: float) -> None:
        self.young, self.grown, self.enough = young, grown, enough

    def fit(self, log: InteractionLog, until: int | None = None) -> Switch:
        """Fit both on the events before ``until`` (all if None), and count the events of each scene."""
        self.young.fit(log, until), self.grown.fit(log, until)
        self.log = log.before(until)
        self.events = np.bincount(self.log.events[SCENE], minlength=log.n_scenes)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of the system in charge: float32 [len(users), items in scene]."""
        scene = self.log.scene_code(scene)
        return (self.young if self.events[scene] < self.enough else self.grown).score(users, scene, history)
