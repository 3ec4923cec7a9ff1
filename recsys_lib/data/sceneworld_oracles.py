"""The three ideal systems of the evaluation contract for SceneWorld. They follow the models' protocol: ``fit``, ``score``.

*logged* ranks by the probability that the pair is first shown, and clicked, in the test window, given that it was not
clicked before: the best anyone can do on logged clicks. *interventional* ranks by P(click | shown) in the window: judged on
expected clicks under uniform exposure. *text-only* ranks by the expectation of utility given the item's text and the
person's history, and nothing else: the fair ceiling of a language-model system.

The **test window** runs from the cut (``until``, or just after the last event fitted on) to the world's end; if less than
a day is left, it is the whole year. It is cut into four equal pieces, and each probability is taken at a piece's middle.

**What the text-only oracle knows.** The laws of the world (its constants, the prevalence of interests, the constants of the
logging policies), the theme and attribute levels that each item's *text* states (for a wrong text, the wrong ones), the calendar,
and the clicks (person, item, time) of the history. It uses no ratings, no impressions without click, no hidden taste, quality, popularity, and no
activity or start of anyone. For a person it computes

1. for each theme, the posterior of (interest at the year's start, at its end) in {0, 1, 2}²: prior as in the world
   (over the whole population, or over age band and gender with ``profile=True``); likelihood of a Poisson process of clicks whose intensity
   in scene s is proportional to r_s(x) = [share of the theme among the items · (.15 + .45) + .40 x / mean total interest] · p̄(x), with p̄(x) the click
   probability averaged over all other parts as a normal variable. The person's exposure in a scene is put at its
   posterior mean under a Gamma(½) prior, from the number of clicks there, so a scene without history says nothing;
2. for each attribute of each scene, the posterior of the preference on a grid of 13 points: prior normal; likelihood of the level of
   each clicked item, given that an item of that scene and of the expected interest from step 1 was clicked;
3. the expected theme part and attribute parts at the middle of the window, summed; all other parts have expectation zero.

So it is Bayes' rule up to three approximations: themes are updated with the attributes averaged over their prior, attributes
with the interest put at its expectation, and exposure within a scene is taken as constant in time. Over a default world, people whose
expected interest is 1.4 have a true mean of 1.4 (a test holds the calibration).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from recsys_lib.data.log import InteractionLog
from recsys_lib.data.sceneworld_draw import LEVEL_TWO, LEVELS, STAY
from recsys_lib.data.sceneworld_tables import START, YEAR
from recsys_lib.data.sceneworld_truth import BOT_CLICK, POLICIES, STEEPNESS
from recsys_lib.errors import BadData

if TYPE_CHECKING:
    from recsys_lib.data.sceneworld import World

PIECES = 4
STATES = np.array([(a, b) for a in range(3) for b in range(3)], float)  # interest at the start and at the end: [9, 2]
GRID = np.linspace(-3.6, 3.6, 13)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def make_oracle(world: World, kind: str, profile: bool = False) -> Oracle:
    """``"logged"``, ``"interventional"`` or ``"text-only"``. Raises BadData for another kind."""
    kinds = {"logged": Logged, "interventional": Interventional, "text-only": TextOnly}
    if kind not in kinds:
        raise BadData(f"there is no oracle {kind!r}; use one of {', '.join(kinds)}.")
    oracle = kinds[kind](world)
    oracle.name, oracle.profile = f"oracle, {kind}", profile
    return oracle


class Oracle:
    """What the three have in common: they learn nothing but the cut between training and test."""

    profile = False

    def __init__(self, world: World) -> None:
        self.world, self.truth = world, world.truth

    def fit(self, log: InteractionLog, until: int | None = None) -> Oracle:
        """Note the cut, and the events before it as the default history. Raises BadData for a log of another world."""
        if (log.n_users, log.n_items) != (self.truth.n_users, self.truth.n_items):
            raise BadData(
                f"{log.name} is not of this world: it has {log.n_users} people and {log.n_items} items, not {self.truth.n_users} and {self.truth.n_items}."
            )
        self.history = log.before(until)
        times = self.history.events["time"].to_numpy()
        cut = until if until is not None else (int(times.max()) + 1 if len(times) else START)
        self.cut = min(max((cut - START) / YEAR, 0.0), 1.0)
        low = 0.0 if self.cut > 1 - 86_400 / YEAR else self.cut
        self.edges = np.linspace(low, 1.0, PIECES + 1)
        return self

    def _block(self, users: np.ndarray, scene: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        items = np.arange(self.truth.first[scene], self.truth.first[scene + 1])
        users = np.asarray(users, np.int64)
        return np.repeat(users, len(items)), np.tile(items, len(users)), (len(users), len(items))

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores: float32 [len(users), items in scene]. ``history`` matters to the text-only oracle alone."""
        users, scene = self.history.user_codes(users), self.history.scene_code(scene)
        out = [self._score(part, scene, history) for part in np.array_split(users, max(len(users) // 400, 1))]
        return np.concatenate(out).astype(np.float32)

    def _click(self, u: np.ndarray, i: np.ndarray, t: float) -> np.ndarray:
        return np.where(self.truth.bot[u], BOT_CLICK, self.truth.click(u, i, t))


class Logged(Oracle):
    """P(first shown in the window and clicked | not clicked before)."""

    def _score(self, users: np.ndarray, scene: int, history: InteractionLog | None) -> np.ndarray:
        u, i, shape = self._block(users, scene)
        passed = self.truth.intensity(u, i, 0.0, self.edges[0]) if self.edges[0] > 0 else np.zeros(len(u))
        before, total = -np.expm1(-passed), np.zeros(len(u))
        for low, high in zip(self.edges[:-1], self.edges[1:], strict=True):
            here = self.truth.intensity(u, i, low, high)
            total += np.exp(-passed) * -np.expm1(-here) * self._click(u, i, (low + high) / 2)
            passed = passed + here
        clicked = before * self._click(u, i, self.edges[0] / 2)
        return (total / np.maximum(1 - clicked, 1e-9)).reshape(shape)


class Interventional(Oracle):
    """P(click | shown), averaged over the window."""

    def _score(self, users: np.ndarray, scene: int, history: InteractionLog | None) -> np.ndarray:
        u, i, shape = self._block(users, scene)
        return np.mean([self._click(u, i, (a + b) / 2) for a, b in zip(self.edges[:-1], self.edges[1:], strict=True)], axis=0).reshape(
            shape
        )


class TextOnly(Oracle):
    """E[utility | the item's text, the person's clicks so far]."""

    def fit(self, log: InteractionLog, until: int | None = None) -> TextOnly:
        super().fit(log, until)
        w = self.truth
        self.middle = float(self.edges[0] + 1) / 2
        self.said = w.text_of  # texts speak of the latents of the item they were written for
        self.parent = w.parent[w.scene].astype(np.int64)
        counts = np.bincount(self.history.events["scene"], minlength=len(w.parent)).astype(float)
        self.usual = np.maximum(counts / w.n_users, 1e-9)  # clicks a person, by scene
        self._theme_tables()
        self._attribute_tables()
        blocks = np.array_split(np.arange(w.n_users), w.n_users // 50_000 + 1)
        self._known = [np.concatenate(part) for part in zip(*(self._posterior(self.history, b) for b in blocks), strict=True)]
        return self

    def _mean_click(self, value: np.ndarray, parent: int, rest: float) -> np.ndarray:
        """E[sigmoid] of the known summands plus a normal rest of variance ``rest``."""
        logit = STEEPNESS * (np.asarray(value)[..., None] + np.sqrt(max(rest, 0)) * NODES) + self.truth.intercept[parent]
        return expit(logit) @ WEIGHTS

    def _theme_tables(self) -> None:
        """log prior of the nine states by person group: [g, 24, 9]; click intensity at interest 0, .05, … 2 by scene and theme: [scenes, 24, 41]."""
        w = self.truth
        chance = w.prevalence.reshape(-1, 24)
        if not self.profile:
            share = np.bincount(w.age.astype(int) * 3 + w.gender, minlength=15) / w.n_users
            chance = share @ chance[: len(share)]
            chance = chance[None]
        level = np.stack([1 - chance, chance * (1 - LEVEL_TWO), chance * LEVEL_TWO], axis=-1)
        joint = level[..., :, None] * (STAY * np.eye(3) + (1 - STAY) * level[..., None, :])
        self.log_prior = np.log(np.maximum(joint, 1e-12)).reshape(len(chance), 24, 9)
        x = np.linspace(0, 2, 41)
        self.intensity = np.zeros((w.n_live, 24, 41))
        for s in range(w.n_live):
            p = w.parent[s]
            size = np.diff(w.cell_first)[s * 24 : s * 24 + 24]
            shown = (size / size.sum())[:, None] * (POLICIES[0] + POLICIES[1]) + POLICIES[2] * (size > 0)[:, None] * x / w.interest_mass
            theme = (x - w.centre_of[p, 0]) * w.scale_of[p, 0]
            self.intensity[s] = shown * self._mean_click(theme, p, 1 - w.theme_share)
        grid = np.arange(20) / 20 * self.cut + self.cut / 40
        path = STATES[:, :1] * (1 - grid) + STATES[:, 1:] * grid
        at = np.rint(path * 20).astype(int)
        self.mean_intensity = self.intensity[:, :, at].mean(-1)  # over the time before the cut: [scenes, 24, 9]

    def _attribute_tables(self) -> None:
        """log prior on the grid: [groups, 8, 2, 13]; log P(level of a clicked item | interest 0, .5, … 2, preference): [8, 2, 5, 13, 3]."""
        w = self.truth
        wide = np.zeros((1, 8, 2)) if not self.profile else w.age_shift
        spread = 1.0 if self.profile else np.sqrt(1 + w.age_shift.var(0))
        z = (GRID - (w.preference_mean + wide)[..., None]) / np.broadcast_to(spread, (8, 2))[..., None]
        prior = np.exp(-0.5 * z * z)
        self.attribute_prior = np.log(prior / prior.sum(-1, keepdims=True))
        self.level_given = np.zeros((8, 2, 5, 13, 3))
        for p in np.unique(w.parent):
            for k in range(2):
                value = (GRID[:, None] * np.array([-1.0, 0.0, 1.0]) - w.centre_of[p, 2 + k]) * w.scale_of[p, 2 + k]
                theme = (np.arange(5) / 2 - w.centre_of[p, 0]) * w.scale_of[p, 0]
                rest = 1 - w.theme_share - w.scale_of[p, 2 + k] ** 2
                seen = LEVELS * self._mean_click(theme[:, None, None] + value, int(p), rest)
                self.level_given[p, k] = np.log(seen / seen.sum(-1, keepdims=True))

    def _posterior(self, history: InteractionLog, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected interest at the window's middle, float32 [n, 24], and expected preferences, float32 [n, 8, 2].

        ``users`` int [n]: whom to look at, without repeats.
        """
        w, e = self.truth, history.events
        n = len(users)
        row = np.full(w.n_users, -1)
        row[users] = np.arange(n)
        mine = row[e["user"].to_numpy()] >= 0
        u, i, s = row[e["user"].to_numpy()[mine]], e["item"].to_numpy()[mine], e["scene"].to_numpy()[mine].astype(np.int64)
        t = np.clip((e["time"].to_numpy()[mine] - START) / YEAR, 0, 1)
        said, p = self.said[i], w.parent[s]
        theme = w.theme[said].astype(np.int64)
        log = np.zeros((n * 24, 9))
        for k, (x0, x1) in enumerate(STATES):
            at = np.rint((x0 * (1 - t) + x1 * t) * 20).astype(int)
            log[:, k] = np.bincount(u * 24 + theme, np.log(np.maximum(self.intensity[s, theme, at], 1e-12)), n * 24)
        log = log.reshape(n, 24, 9)
        group = (w.age[users].astype(int) * 3 + w.gender[users]) if self.profile else np.zeros(n, int)
        clicks = np.bincount(u * w.n_live + s, minlength=n * w.n_live).reshape(n, w.n_live)
        usual = self.usual[: w.n_live]
        expected = (0.5 + clicks) / (0.5 / usual + 1)  # posterior mean of the person's clicks there, before looking at themes
        prior = np.exp(self.log_prior)
        normal = np.einsum("gkx,skx->gs", prior, self.mean_intensity)
        log += self.log_prior[group] - np.einsum("ns,skx->nkx", expected / normal[group], self.mean_intensity)
        post = np.exp(log - log.max(-1, keepdims=True))
        post /= post.sum(-1, keepdims=True)
        early, late = post @ STATES[:, 0], post @ STATES[:, 1]
        then = np.rint(2 * (early[u, theme] * (1 - t) + late[u, theme] * t)).astype(int)
        interest = early * (1 - self.middle) + late * self.middle
        group = w.age[users].astype(int) if self.profile else np.zeros(n, int)
        liking = np.empty((n, 8, 2), np.float32)
        for k in range(2):
            grid = self.attribute_prior[group][:, :, k].copy()
            evidence = self.level_given[p, k, then, :, w.level[said, k].astype(np.int64) + 1]
            for g in range(len(GRID)):
                grid[:, :, g] += np.bincount(u * 8 + p, evidence[:, g], n * 8).reshape(n, 8)
            weight = np.exp(grid - grid.max(-1, keepdims=True))
            liking[:, :, k] = (weight @ GRID) / weight.sum(-1)
        return interest.astype(np.float32), liking

    def _score(self, users: np.ndarray, scene: int, history: InteractionLog | None) -> np.ndarray:
        w, p = self.truth, int(self.truth.parent[scene])
        interest, liking = (a[users] for a in self._known) if history is None else self._posterior(history, np.unique(users))
        if history is not None:
            back = np.searchsorted(np.unique(users), users)
            interest, liking = interest[back], liking[back]
        said = self.said[w.first[scene] : w.first[scene + 1]]
        scale, centre = w.scale_of[p], w.centre_of[p]
        total = (interest[:, w.theme[said]] - centre[0]) * scale[0]
        for k in range(2):
            total += (liking[:, p, k, None] * w.level[said, k] - centre[2 + k]) * scale[2 + k]
        season = w.season[said]
        wave = np.where(season >= 0, np.cos(2 * np.pi * (self.middle - 0.29 - 0.25 * season)), 0.0)
        return total + (wave - centre[4]) * scale[4]
