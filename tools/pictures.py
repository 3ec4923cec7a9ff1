"""``python -m tools.pictures``: draws the sign (``_static/favicon.svg``, ``_static/logo.svg``), the card that a shared link shows
(``_static/card.png``) and the cover (``_static/cover.svg``).

Five scenes as dots, and one person's thread through them. The files are committed; run this again only to change them.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from tools import common

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # Okabe and Ito: told apart by colour-blind eyes
PAPER, INK = "#fbfaf7", "#22303c"
THREAD = (0, 2, 4, 1, 3)
SCENES = ("shopping", "music", "video", "news", "travel")


def ring(axes: plt.Axes, x: float, y: float, radius: float, dot: float, line: float) -> None:
    """The sign: five dots of ``dot`` points at ``radius`` around (x, y), joined by a thread of ``line`` points."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(5) / 5
    xs, ys = x + radius * np.cos(angles), y + radius * np.sin(angles)
    axes.plot(xs[list(THREAD)], ys[list(THREAD)], color="#7a8791", lw=line, zorder=1, solid_capstyle="round")
    axes.scatter(xs, ys, s=dot**2, c=COLOURS, zorder=2, linewidths=0)


def cover(axes: plt.Axes, width: float, height: float) -> None:
    """One person's thread through five scenes, left to right, with faint threads of others."""
    along, chance = np.linspace(-0.2, width + 0.2, 400), np.random.default_rng(7)

    def wave(shift: float, size: float) -> np.ndarray:
        return height * 0.56 + size * np.sin(along / width * 2.6 * np.pi + shift) + 0.12 * np.sin(along * 2.1 + 3 * shift)

    for _ in range(14):
        axes.plot(along, wave(chance.uniform(0, 6), chance.uniform(0.4, 1.3)), color="#d9d5c9", lw=1.5, zorder=0)
    axes.plot(along, wave(0.4, 0.95), color="#7a8791", lw=7, zorder=1)
    xs = (np.arange(5) + 0.5) * width / 5
    ys = np.interp(xs, along, wave(0.4, 0.95))
    axes.scatter(xs, ys, s=54**2, c=COLOURS, zorder=2, linewidths=0)
    for x, y, name in zip(xs, ys, SCENES, strict=True):
        axes.text(x, y - 0.72, name, size=19, color=INK, ha="center", va="center", bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 3}, zorder=3)


def canvas(width: float, height: float, paper: str | None) -> tuple[plt.Figure, plt.Axes]:
    """An empty figure of ``width`` by ``height`` inches with its own axes from 0 to these."""
    figure = plt.figure(figsize=(width, height), facecolor=paper or "none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def main(folder: Path = common.ROOT / "_static") -> None:
    """Draw all into ``folder``."""
    plain = {"Date": None, "Creator": None}
    with plt.rc_context({"svg.hashsalt": "across scenes", "svg.fonttype": "path", "font.family": "DejaVu Serif"}):
        figure, axes = canvas(1, 1, None)
        ring(axes, 0.5, 0.47, 0.37, 16, 5)
        figure.savefig(folder / "favicon.svg", metadata=plain, transparent=True)
        figure, axes = canvas(2.4, 1.1, None)
        ring(axes, 1.2, 0.5, 0.4, 12, 3)
        figure.savefig(folder / "logo.svg", metadata=plain, transparent=True)
        figure, axes = canvas(12, 6.3, PAPER)
        ring(axes, 9.3, 3.05, 2, 62, 9)
        axes.text(0.8, 3.7, "Across Scenes", size=50, color=INK, weight="bold")
        axes.text(0.8, 2.55, "Building a cross-scene recommender\nwith language models", size=21, color=INK, linespacing=1.5)
        axes.text(0.8, 1.3, "R = f(P, I, S, L)", size=24, color=COLOURS[0], style="italic")
        figure.savefig(folder / "card.png", dpi=100, metadata={"Software": None})
        figure, axes = canvas(12, 4, PAPER)
        cover(axes, 12, 4)
        figure.savefig(folder / "cover.svg", metadata=plain)
    plt.close("all")


if __name__ == "__main__":
    main()
