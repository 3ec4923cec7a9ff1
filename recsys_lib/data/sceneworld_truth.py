"""SceneWorld's hidden side: who likes what and why, who is shown what and how often.

**Utility** of item i for person u at time t is a sum of standardised parts with stated variance shares, over people, the
scene's items and the year:

    theme · hidden taste · attributes · quality · popularity
    θ       .40 (1-θ)      .15 (1-θ)    .20 (1-θ)  .25 (1-θ)        θ = theme share, .8 or .2

P(click | shown) = sigmoid(2 · utility + intercept of the scene).

**Exposure.** Each pair's impressions are a Poisson process with intensity R σ_s a_us [.15 uniform + .45 popular_i(t) +
.40 matched_ui(t)], independent of every other pair's. Marking the process (draw policy, person, item, time one after the
other) gives exactly this law without ever listing the pairs. A pair is shown if it has at least one impression; the first
one counts, so P(shown in [0, 1]) = 1 - exp(-Λ_ui), with Λ in closed form.

Time inside this module is the fraction of the year, 0 … 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

SHARES = {"hidden taste": 0.40, "attributes": 0.15, "quality": 0.20, "popularity": 0.25}  # of what the theme leaves
POLICIES = (0.15, 0.45, 0.40)  # uniform, popular, matched
STEEPNESS, BASE_RATE, BOT_CLICK = 2.0, 0.075, 0.9
ROOT_TAU = float(np.sqrt(2 * np.pi))


def stream(seed: int, *purpose: int) -> np.random.Generator:
    """An independent source of randomness for one purpose of one seed."""
    return np.random.default_rng(np.random.SeedSequence([seed, *purpose]))


@dataclass(eq=False)
class Truth:
    """Latent people and items, and the laws of clicks and exposure. Made by :func:`recsys_lib.data.sceneworld_draw.draw_truth`.

    Attributes:
        theme_share: variance share of the theme part.
        parent: lexicon scene of each scene: int64 [n_scenes]; first: item code where each scene begins: int64 [n_scenes + 1].
        focus: share of all impressions of each scene that has events: float64 [n_live].
        age, gender, region, device: codes int8 [n_users]; bot: bool [n_users].
        interest: levels 0, 1, 2 at the year's start and end: int8 [2, n_users, 24].
        prevalence: P(interest > 0) by age band and gender: float64 [5, 3, 24].
        taste: hidden factors of people, float32 [n_users, 4], shared by all scenes; taste_in: float32 [n_users, 8, 4], own in each.
        preference: for the two attributes of each scene, float32 [n_users, 8, 2] = mean + age_shift + N(0, 1).
        activity: float32 [n_users, n_live], each scene sums to one; start: when the person begins in the scene, float32 [n_users, n_live].
        scene, theme, season (-1: none), form, maker: codes [n_items]; level: int8 [n_items, 2]; factors: float32 [n_items, 8].
        quality, base, height, centre, width, born: float32 [n_items]; the popularity wave is exp(base)(1 + height·bump((t-centre)/width)).
        source, text_of: whose latents and whose text an item carries (itself, except for dirty records): int64 [n_items].
        centre_of, scale_of: standardisation by lexicon scene and part: float64 [8, 7]; intercept: float64 [8].
        rate: R, expected number of impressions before thinning.
    """

    theme_share: float
    parent: np.ndarray
    first: np.ndarray
    focus: np.ndarray
    rate: float = 0.0

    n_users = property(lambda self: len(self.age))
    n_items = property(lambda self: int(self.first[-1]))
    n_live = property(lambda self: len(self.focus))

    # --- utility ------------------------------------------------------------------------------------------------
    def popularity(self, items: np.ndarray, t: np.ndarray | float) -> np.ndarray:
        """Log popularity of the items at time t: float32 [n]."""
        z = (np.float32(t) - self.centre[items]) / self.width[items]
        return self.base[items] + np.log1p(self.height[items] * np.exp(-0.5 * z * z))

    def raw_parts(self, users: np.ndarray, items: np.ndarray, t: np.ndarray | float) -> list[np.ndarray]:
        """The seven parts before standardisation: theme, hidden taste, two attributes, season, quality, popularity; float32 [n] each."""
        t = np.float32(t)
        at, theme = self.parent[self.scene[items]], self.theme[items]
        x0, x1 = self.interest[0][users, theme], self.interest[1][users, theme]
        f = self.factors[items]
        hidden = np.einsum("nd,nd->n", self.taste[users], f[:, :4]) + np.einsum("nd,nd->n", self.taste_in[users, at], f[:, 4:])
        liking, level = self.preference[users, at], self.level[items]
        season = self.season[items]
        angle = np.float32(2 * np.pi) * (t - (np.float32(0.29) + np.float32(0.25) * season))  # spring peaks in mid-April
        wave = np.where(season >= 0, np.cos(angle), np.float32(0))
        return [
            x0 * (1 - t) + x1 * t, hidden, liking[:, 0] * level[:, 0], liking[:, 1] * level[:, 1], wave,
            self.quality[items], self.popularity(items, t),
        ]  # fmt: skip

    def parts(self, users: np.ndarray, items: np.ndarray, t: np.ndarray | float) -> list[np.ndarray]:
        """The seven summands of utility: float32 [n] each."""
        at = self.parent[self.scene[items]]
        centre, scale = self.centre_of.astype(np.float32), self.scale_of.astype(np.float32)
        return [(raw - centre[at, k]) * scale[at, k] for k, raw in enumerate(self.raw_parts(users, items, t))]

    def utility(self, users: np.ndarray, items: np.ndarray, t: np.ndarray | float) -> np.ndarray:
        """Sum of the parts: float64 [n]."""
        total = np.zeros(len(items))
        for part in self.parts(users, items, t):
            total += part
        return total

    def click(self, users: np.ndarray, items: np.ndarray, t: np.ndarray | float) -> np.ndarray:
        """P(click | shown) of a person who is not a bot: float64 [n]."""
        return expit(STEEPNESS * self.utility(users, items, t) + self.intercept[self.parent[self.scene[items]]])

    def calibrate(self, rng: np.random.Generator) -> None:
        """Fix standardisation and intercepts so that the shares hold over people × items of a scene × the time an item exists."""
        left = 1 - self.theme_share
        self.centre_of, self.scale_of, self.intercept = np.zeros((8, 7)), np.zeros((8, 7)), np.zeros(8)
        for p in np.unique(self.parent):
            pool = np.concatenate([np.arange(self.first[s], self.first[s + 1]) for s in np.flatnonzero(self.parent == p)])
            items = np.resize(rng.permutation(pool), max(60_000, len(pool)))
            users = rng.integers(0, self.n_users, len(items))
            early = np.maximum(self.born[items], 0)
            t = (early + (1 - early) * rng.random(len(items), dtype=np.float32)).astype(np.float32)
            raw = np.stack(self.raw_parts(users, items, t)).astype(np.float64)
            self.centre_of[p] = raw.mean(1)
            groups = [(0, self.theme_share), (1, left * SHARES["hidden taste"]), (slice(2, 5), left * SHARES["attributes"]),
                      (5, left * SHARES["quality"]), (6, left * SHARES["popularity"])]  # fmt: skip
            for at, share in groups:
                block = raw[at].reshape(-1, len(items))
                self.scale_of[p, at] = np.sqrt(share) / max(block.sum(0).std(), 1e-9)
            logit = STEEPNESS * ((raw - self.centre_of[p][:, None]) * self.scale_of[p][:, None]).sum(0)
            low, high = -20.0, 20.0
            for _ in range(50):
                middle = (low + high) / 2
                low, high = (middle, high) if expit(logit + middle).mean() < BASE_RATE else (low, middle)
            self.intercept[p] = round((low + high) / 2, 6)

    # --- exposure -----------------------------------------------------------------------------------------------
    def prepare_exposure(self) -> None:
        """Tables of the logging policies: sizes of (scene, theme) and the constants that make each policy's mass about one."""
        cell = self.scene.astype(np.int64) * 24 + self.theme
        self.by_theme = np.argsort(cell, kind="stable")
        self.cell_first = np.searchsorted(cell[self.by_theme], np.arange(len(self.parent) * 24 + 1))
        self.popular = np.exp(self.base.astype(np.float64))
        mass = self.popular * (1 + self.height * self.width * ROOT_TAU)
        self.popular_mass = np.add.reduceat(mass, self.first[:-1])
        self.interest_mass = float(self.interest.mean(dtype=np.float64) * 24)
        self.human = (~self.bot).astype(np.float64)

    def intensity(
        self, users: np.ndarray, items: np.ndarray, since: float | np.ndarray = 0.0, until: float | np.ndarray = 1.0
    ) -> np.ndarray:
        """Λ_ui: expected number of impressions of each pair in [since, until]: float64 [n]. Zero in scenes without events."""
        s = self.scene[items].astype(np.int64)
        dark, s = s >= self.n_live, np.minimum(s, self.n_live - 1)
        low = np.maximum(np.maximum(self.start[users, s], self.born[items]), since).astype(np.float64)
        high = np.maximum(until, low)
        span, half = high - low, (high * high - low * low) / 2
        human, theme = self.human[users], self.theme[items]
        uniform = np.where(human > 0, POLICIES[0], 1.0) * span / np.diff(self.first)[s]
        width, centre = self.width[items].astype(np.float64), self.centre[items]
        bump = self.height[items] * width * ROOT_TAU * (ndtr((high - centre) / width) - ndtr((low - centre) / width))
        popular = POLICIES[1] * human * self.popular[items] * (span + bump) / self.popular_mass[s]
        x0, x1 = self.interest[0][users, theme], self.interest[1][users, theme]
        size = np.diff(self.cell_first)[s * 24 + theme]
        matched = POLICIES[2] * human * (x0 * (span - half) + x1 * half) / (self.interest_mass * np.maximum(size, 1))
        out = self.rate * self.focus[s] * self.activity[users, s] * (uniform + popular + matched)
        return np.where(dark, 0.0, out)

    def draw(self, s: int, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All impressions of one scene at a given rate, repeats included: users int64, items int64, times float32."""
        a, start = self.activity[:, s].astype(np.float64), self.start[:, s]
        mass, n, offset = rate * self.focus[s], int(np.diff(self.first)[s]), int(self.first[s])
        pool = slice(offset, offset + n)
        people = np.arange(self.n_users)
        users, items, times = [], [], []

        def keep(u: np.ndarray, i: np.ndarray, t: np.ndarray) -> None:
            ok = (t >= start[u]) & (t >= self.born[i]) & (t >= 0) & (t < 1)
            users.append(u[ok]), items.append(i[ok]), times.append(t[ok])

        def later(u: np.ndarray) -> np.ndarray:
            return start[u] + (1 - start[u]) * rng.random(len(u), dtype=np.float32)

        u = np.repeat(people, rng.poisson(mass * a * (1 - start) * np.where(self.bot, 1.0, POLICIES[0])))
        keep(u, offset + rng.integers(0, n, len(u)), later(u))
        popular = self.popular[pool]
        part = mass * POLICIES[1] / self.popular_mass[s]
        u = np.repeat(people, rng.poisson(part * a * self.human * (1 - start) * popular.sum()))
        ladder = np.cumsum(popular)
        keep(u, offset + np.minimum(np.searchsorted(ladder, rng.random(len(u)) * ladder[-1]), n - 1), later(u))
        crowd = np.cumsum(a * self.human)
        i = offset + np.repeat(np.arange(n), rng.poisson(part * crowd[-1] * popular * self.height[pool] * self.width[pool] * ROOT_TAU))
        u = np.minimum(np.searchsorted(crowd, rng.random(len(i)) * crowd[-1]), self.n_users - 1)
        keep(u, i, self.centre[i] + self.width[i] * rng.standard_normal(len(i), dtype=np.float32))
        size = np.diff(self.cell_first)[s * 24 : s * 24 + 24]
        for end in (0, 1):
            u, k = np.nonzero(self.interest[end] * (size > 0).astype(np.int8))
            expected = mass * POLICIES[2] * a[u] * self.human[u] * self.interest[end][u, k] / (2 * self.interest_mass)
            times_seen = rng.poisson(expected)
            u, k = np.repeat(u, times_seen), np.repeat(k, times_seen)
            root = np.sqrt(rng.random(len(u), dtype=np.float32))
            i = self.by_theme[self.cell_first[s * 24 + k] + (rng.random(len(u)) * size[k]).astype(np.int64)]
            keep(u, i, root if end else 1 - root)
        return np.concatenate(users), np.concatenate(items), np.concatenate(times)

    def first_impressions(self, s: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first impression of each shown pair of a scene, by time: users int64, items int64, times float32."""
        u, i, t = self.draw(s, self.rate, rng)
        order = np.argsort(t, kind="stable")
        u, i, t = u[order], i[order], t[order]
        _, once = np.unique(u * np.int64(self.n_items) + i, return_index=True)
        once.sort()
        return u[once], i[once], t[once]

    def fix_rate(self, target: int, clicks: bool, rng: np.random.Generator) -> None:
        """Choose R so that the expected number of shown pairs (or of clicks) is ``target``."""
        pilot, parts = float(min(max(target, 50_000), 200_000)), []
        for s in range(self.n_live):
            parts.append(self.draw(s, pilot, rng))
        u, i, t = (np.concatenate(column) for column in zip(*parts, strict=True))
        worth = np.where(self.bot[u], BOT_CLICK, self.click(u, i, t)) if clicks else np.ones(len(u))
        self.rate = 1.0
        per_rate = self.intensity(u, i)
        rate = float(target)
        for _ in range(40):
            shown = -np.expm1(-per_rate * rate) / (per_rate * rate)  # distinct pairs per impression
            rate = target * pilot / float((worth * shown).sum())
        self.rate = rate
