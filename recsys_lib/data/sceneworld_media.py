"""Covers and sound features of SceneWorld's items, made on demand and always the same for one item and seed.

What they reveal: a **cover** shows the theme (pattern and hue), the first attribute (brightness) and, in how busy the pattern
is, the first shared factor of the *hidden taste*. A **sound** vector holds both attributes and the four shared hidden factors,
mixed by a fixed matrix, with noise of about the same size. So both carry taste that no text expresses, and neither quality nor popularity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from recsys_lib.data.sceneworld_truth import Truth

SIDE, SOUND = 32, 16


def _noise(seed: int, items: np.ndarray, n: int) -> np.ndarray:
    """Uniform noise by SplitMix64 of (seed, item, position): float32 [len(items), n] in [0, 1)."""
    with np.errstate(over="ignore"):
        x = items.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15) + np.arange(n, dtype=np.uint64)
        x = (x + np.uint64(seed)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)


def cover(truth: Truth, items: np.ndarray, seed: int) -> np.ndarray:
    """Cover pictures: uint8 [n, 32, 32, 3]."""
    theme = truth.theme[items].astype(np.int64)
    y, x = np.meshgrid(np.linspace(-1, 1, SIDE, dtype=np.float32), np.linspace(-1, 1, SIDE, dtype=np.float32), indexing="ij")
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    patterns = np.stack([x, y, radius, x + y, 0.5 * angle, x * y * 2])  # stripes, bands, rings, diagonals, rays, saddles
    busy = (6 + 2.5 * np.tanh(truth.factors[items, 0]))[:, None, None]
    wave = np.sin(busy * patterns[theme % 6] + 6.28 * _noise(seed, items, 1)[:, :, None])
    hue = ((theme // 6) / 4 + (theme % 6) / 24)[:, None] + np.array([0, 1 / 3, 2 / 3])
    colour = 0.5 + 0.45 * np.cos(2 * np.pi * hue)
    light = (0.62 + 0.22 * truth.level[items, 0])[:, None, None, None]
    grain = _noise(seed + 1, items, SIDE * SIDE).reshape(-1, SIDE, SIDE, 1)
    picture = light * (0.75 + 0.25 * wave[..., None]) * colour[:, None, None, :] + 0.16 * (grain - 0.5)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def sound(truth: Truth, items: np.ndarray, seed: int) -> np.ndarray:
    """Sound features: float32 [n, 16]."""
    mix = np.random.default_rng(20240101).standard_normal((6, SOUND)).astype(np.float32) / np.float32(np.sqrt(6))
    signal = np.concatenate([truth.level[items], truth.factors[items, :4]], axis=1).astype(np.float32)
    noise = sum(_noise(seed + 2 + k, items, SOUND) for k in range(4)) - 2  # close to normal, sd .58
    return (np.einsum("nd,dk->nk", signal, mix) + np.float32(1.2) * noise).astype(np.float32)
