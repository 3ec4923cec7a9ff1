"""``python -m tools.pictures``: draws ``_static/favicon.svg``, ``_static/logo.svg`` and the card that a shared link shows, ``_static/card.png``.

Five scenes as dots on a ring, and one person's thread through them. The three files are committed; run this again only to change them.
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


def ring(axes: plt.Axes, x: float, y: float, radius: float, dot: float, line: float) -> None:
    """The sign: five dots of ``dot`` points at ``radius`` around (x, y), joined by a thread of ``line`` points."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(5) / 5
    xs, ys = x + radius * np.cos(angles), y + radius * np.sin(angles)
    axes.plot(xs[list(THREAD)], ys[list(THREAD)], color="#7a8791", lw=line, zorder=1, solid_capstyle="round")
    axes.scatter(xs, ys, s=dot**2, c=COLOURS, zorder=2, linewidths=0)


def canvas(width: float, height: float, paper: str | None) -> tuple[plt.Figure, plt.Axes]:
    """An empty figure of ``width`` by ``height`` inches with its own axes from 0 to these."""
    figure = plt.figure(figsize=(width, height), facecolor=paper or "none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def main(folder: Path = common.ROOT / "_static") -> None:
    """Draw all three into ``folder``."""
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
    plt.close("all")


if __name__ == "__main__":
    main()
