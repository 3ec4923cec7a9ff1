"""``python -m tools.pictures``: draws the sign (``_static/favicon.svg``, ``_static/logo.svg``), the card that a shared link shows
(``_static/card.png``), the cover (``_static/cover.svg``) and the system as a whole (``chapters/images/system.svg``).

Five scenes as dots, and one person's thread through them. The files are committed; run this again only to change them.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

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


def system(axes: plt.Axes) -> None:
    """The whole system of chapters 01 to 09, from what is known at the top to the list at the foot, each part with its chapter."""
    parts = {  # centre, width, words, colour
        "P": (0.95, 5.2, 1.7, "P  her past,\nscene by scene", 0, "05"), "I": (2.8, 5.2, 1.7, "I  titles and\ndescriptions", 0, "01"),
        "counts": (4.65, 5.2, 1.7, "who took what,\nand when", None, "01"), "S": (0.95, 3.95, 1.7, "S  a gate for each\npair of scenes", 2, "06"),
        "L": (2.8, 3.95, 1.7, "L  reads texts\ninto vectors", 1, "04"), "prior": (4.65, 3.95, 1.7, "prior: what the\ncrowd takes now", None, "03"),
        "A": (1.87, 2.7, 3.55, "A  turns her vector towards the items'", 3, "07"), "score": (2.8, 1.65, 5.4, "score of each item of the scene = fit + prior", None, "06"),
        "R": (1.87, 0.5, 3.55, "R  ten items, with room\nfor new ones", 4, "08"), "judge": (4.65, 0.5, 1.7, "judged on what\nshe does next", None, "02"),
    }  # fmt: skip
    for x, y, width, words, colour, chapter in parts.values():
        edge = "#7a8791" if colour is None else COLOURS[colour]
        axes.add_patch(FancyBboxPatch((x - width / 2, y - 0.33), width, 0.66, boxstyle="round,pad=0,rounding_size=0.1", fc=PAPER, ec=edge, lw=2.2))
        axes.text(x - width / 2 + 0.1, y, words, size=10.5, color=INK, va="center", linespacing=1.25)
        axes.text(x + width / 2 - 0.06, y - 0.27, chapter, size=8, color="#5b6770", ha="right", va="bottom")
    for x0, y0, x1, y1 in ((0.95, 4.87, 0.95, 4.3), (2.8, 4.87, 2.8, 4.3), (4.65, 4.87, 4.65, 4.3), (0.95, 3.62, 0.95, 3.05), (2.8, 3.62, 2.8, 3.05), (4.65, 3.62, 4.65, 2.0),
                           (1.87, 2.37, 1.87, 2.0), (1.87, 1.32, 1.87, 0.85), (3.67, 0.5, 3.78, 0.5)):  # fmt: skip
        axes.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": "#5b6770", "lw": 1.6, "shrinkA": 0, "shrinkB": 0})


def canvas(width: float, height: float, paper: str | None) -> tuple[plt.Figure, plt.Axes]:
    """An empty figure of ``width`` by ``height`` inches with its own axes from 0 to these."""
    figure = plt.figure(figsize=(width, height), facecolor=paper or "none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def main(folder: Path = common.ROOT / "_static", images: Path = common.ROOT / "chapters" / "images") -> None:
    """Draw all, the system into ``images`` and the rest into ``folder``."""
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
    with plt.rc_context({"svg.hashsalt": "across scenes", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        figure, axes = canvas(5.6, 5.7, PAPER)
        system(axes)
        figure.savefig(images / "system.svg", metadata=plain)
    plt.close("all")


if __name__ == "__main__":
    main()
