"""The draw of SceneWorld's people and items: everything random that is fixed before the first impression.

Interests are sparse (levels 0, 1, 2 on 24 themes; one in six is above 0), the same in all scenes, more common in some age bands and genders;
each stays over the year with probability .75 or is drawn anew, and moves linearly in between. Hidden taste has four factors
that all scenes share and four of each scene's own. Items are born throughout the year, more of them later.
"""

from __future__ import annotations

import numpy as np

from recsys_lib.data.sceneworld_text import lexicon
from recsys_lib.data.sceneworld_truth import Truth, stream

STAY = 0.75  # probability that an interest is the same at the year's end
LEVEL_TWO = 0.4  # share of strong interests among interests
LEVELS = np.array([0.35, 0.35, 0.30])  # of an attribute's levels -1, 0, +1
# by scene of the lexicon: share of items born within the year; height and width (in years) of a popularity wave
BORN = np.array([0.3, 0.3, 0.4, 0.75, 0.25, 0.3, 0.3, 0.3])
HEIGHT = np.array([4.0, 5.0, 8.0, 25.0, 4.0, 4.0, 4.0, 4.0])
WIDTH = np.array([0.05, 0.05, 0.04, 0.02, 0.08, 0.05, 0.05, 0.05])


def draw_truth(
    n_users: int, sizes: np.ndarray, parent: np.ndarray, focus: np.ndarray, allowed: np.ndarray, theme_share: float, dirty: float, seed: int
) -> Truth:
    """Draw people and items.

    Args:
        n_users: number of people. sizes: items of each scene, int [n_scenes]. parent: lexicon scene of each scene.
        focus: share of impressions of each scene with events (they come first). allowed: bool [n_scenes, 24, 6], the
            themes and forms a scene may hold.
        theme_share: variance share of the theme part. dirty: share of bots among people, and of wrong texts and of
            duplicates among items. seed: of the world.
    """
    w = Truth(theme_share, parent, np.concatenate([[0], np.cumsum(sizes)]), focus)
    rng, live = stream(seed, 1), len(focus)
    f32 = np.float32
    w.age = rng.choice(5, n_users, p=[0.2, 0.25, 0.25, 0.2, 0.1]).astype(np.int8)
    w.gender = rng.choice(3, n_users, p=[0.49, 0.48, 0.03]).astype(np.int8)
    w.region, w.device = rng.integers(0, 6, n_users).astype(np.int8), rng.integers(0, 3, n_users).astype(np.int8)
    effect = 0.45 * rng.standard_normal((5, 1, 24)) + 0.35 * rng.standard_normal((1, 3, 24))
    w.prevalence = np.minimum(rng.uniform(0.10, 0.22, 24) * np.exp(effect), 0.5)
    chance = w.prevalence[w.age, w.gender].astype(f32)

    def levels() -> np.ndarray:
        luck = rng.random((n_users, 24), dtype=f32)
        return (luck < chance).astype(np.int8) + (luck < chance * f32(LEVEL_TWO)).astype(np.int8)

    before, after = levels(), levels()
    w.interest = np.stack([before, np.where(rng.random((n_users, 24), dtype=f32) < STAY, before, after)])
    w.taste = rng.standard_normal((n_users, 4), dtype=f32)
    w.taste_in = rng.standard_normal((n_users, 8, 4), dtype=f32)
    w.preference_mean = rng.normal(0, 0.3, (8, 2)) - np.array([[0.5, 0]] + [[0, 0]] * 7)  # most people mind the price
    w.age_shift = rng.normal(0, 0.4, (5, 8, 2))
    w.preference = (w.preference_mean + w.age_shift)[w.age].astype(f32) + rng.standard_normal((n_users, 8, 2), dtype=f32)
    w.bot = np.zeros(n_users, bool)
    w.bot[rng.permutation(n_users)[: int(round(dirty * 0.3 * n_users))]] = True
    fond = (rng.random((n_users, 8), dtype=f32) < 0.65) * rng.gamma(1.5, 1 / 1.5, (n_users, 8)) + 0.02
    fond *= np.exp(0.3 * rng.standard_normal((3, 8)))[w.device] * np.exp(0.3 * rng.standard_normal((6, 8)))[w.region]
    activity = rng.gamma(1.2, 1 / 1.2, n_users)[:, None] * fond[:, parent[:live]] * rng.gamma(2, 0.5, (n_users, live))
    activity = np.where(w.bot[:, None], 2 * activity.mean(0), activity)
    w.activity = (activity / activity.sum(0)).astype(f32)
    joined = np.where(rng.random(n_users) < 0.75, 0, rng.random(n_users))
    adopts = np.where(rng.random((n_users, live)) < 0.75, 0, rng.random((n_users, live)))
    w.start = (joined[:, None] + (1 - joined[:, None]) * adopts).astype(f32)

    n, rng = int(w.first[-1]), stream(seed, 2)
    w.scene = np.repeat(np.arange(len(sizes)), sizes).astype(np.int16)
    at = parent[w.scene]
    w.theme, w.form = np.empty(n, np.int8), np.empty(n, np.int8)
    for s, size in enumerate(sizes):
        cells = np.argwhere(allowed[s])
        weight = rng.gamma(4, 0.25, 24)[cells[:, 0]]
        pick = cells[rng.choice(len(cells), size, p=weight / weight.sum())]
        w.theme[w.first[s] : w.first[s + 1]], w.form[w.first[s] : w.first[s + 1]] = pick.T
    w.maker = rng.integers(0, len(lexicon().scenes["shopping"].makers), n).astype(np.int16)
    w.level = (rng.choice(3, (n, 2), p=LEVELS) - 1).astype(np.int8)
    w.season = np.where(at == 4, rng.integers(0, 4, n), -1).astype(np.int8)
    w.factors = rng.standard_normal((n, 8), dtype=f32)
    w.quality = rng.standard_normal(n, dtype=f32)
    w.base = (0.9 * rng.standard_normal(n, dtype=f32)).astype(f32)
    new = rng.random(n) < BORN[at]
    w.born = np.where(new, np.sqrt(rng.random(n)), -2 * rng.random(n)).astype(f32)  # births grow with time
    w.width = (WIDTH[at] * np.exp(0.4 * rng.standard_normal(n))).astype(f32)
    w.centre = np.where(new, w.born + w.width, rng.uniform(-0.1, 1.1, n)).astype(f32)
    w.height = (HEIGHT[at] * rng.gamma(2, 0.5, n)).astype(f32)
    _make_dirty(w, dirty, rng)
    w.calibrate(stream(seed, 3))
    w.prepare_exposure()
    return w


def _make_dirty(w: Truth, share: float, rng: np.random.Generator) -> None:
    """Give a share of the items another item's text, and make another share duplicates of an item of their scene."""
    w.source, w.text_of = np.arange(w.n_items), np.arange(w.n_items)
    for s in range(len(w.parent)):
        mixed = rng.permutation(np.arange(w.first[s], w.first[s + 1]))
        k = int(round(share * len(mixed)))
        wrong, donor, copy, original = (mixed[j * k : (j + 1) * k] for j in range(4))
        w.text_of[wrong], w.text_of[copy], w.source[copy] = donor, original, original
        for column in (w.theme, w.level, w.season, w.form, w.maker, w.factors, w.quality):
            column[copy] = column[original]
