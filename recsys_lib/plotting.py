"""The book's one figure style, and the few kinds of figure it uses.

Colours are Okabe and Ito's (2008), told apart with any colour vision; every series also has its own marker or hatch. Figures stand on
a soft light card of their own, so they read the same on a light and on a dark page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from IPython.display import HTML

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PAPER, INK, QUIET = "#fbfaf7", "#222222", "#8a8a8a"


def style() -> None:
    """Set the book's style; call it once, in a chapter's first cell."""
    mpl.rcParams.update({
        "figure.figsize": (6.0, 3.6), "figure.dpi": 110, "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.facecolor": PAPER,
        "savefig.bbox": "tight", "figure.constrained_layout.use": True,
        "axes.prop_cycle": mpl.cycler(color=COLOURS), "axes.spines.top": False, "axes.spines.right": False,
        "axes.edgecolor": QUIET, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
        "axes.titlelocation": "left", "axes.titlesize": 11, "axes.labelsize": 10, "font.size": 10, "font.family": "DejaVu Sans",
        "axes.grid": True, "grid.color": "#e4e1d8", "axes.axisbelow": True, "legend.frameon": False, "lines.linewidth": 2,
        "svg.hashsalt": "across-scenes",
    })  # fmt: skip


def say(text: str) -> None:
    """Show a sentence with numbers from the cell. Markdown, with ``$math$``; outside a notebook it is printed."""
    try:
        from IPython import get_ipython
        from IPython.display import Markdown, display
    except ImportError:
        get_ipython = None
    if get_ipython is None or get_ipython() is None:
        print(text)
    else:
        display(Markdown(text))


def _axes(ax: Axes | None, x: str, y: str, title: str) -> Axes:
    ax = plt.subplots()[1] if ax is None else ax
    ax.set(xlabel=x, ylabel=y, title=title)
    return ax


def _legend(ax: Axes, n: int) -> None:
    if n > 1:
        ax.legend()


def bars_with_intervals(
    rows: Mapping[str, tuple[float, float, float]] | Mapping[str, Mapping[str, tuple[float, float, float]]],
    x: str = "", title: str = "", ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Horizontal bars with their intervals, first row on top; with a line at zero where any reaches below it.

    Args:
        rows: label → (mean, low, high), or series → label → (mean, low, high) for several bars a label.
        x: what the values are, with the unit.
        title: the figure's title.
        ax: where to draw; a new figure when None.

    Returns:
        The axes.
    """
    first = next(iter(rows.values()))
    series = rows if isinstance(first, Mapping) else {"": rows}
    labels = list(dict.fromkeys(label for values in series.values() for label in values))
    ax = _axes(ax, x, "", title)
    thick = 0.8 / len(series)
    for i, (name, values) in enumerate(series.items()):
        mean, low, high = (np.array([values.get(label, (np.nan,) * 3)[k] for label in labels], float) for k in range(3))
        place = np.arange(len(labels)) + (i - (len(series) - 1) / 2) * thick
        error = np.stack([mean - low, high - mean]).clip(min=0)
        ax.barh(place, mean, thick * 0.92, color=COLOURS[i % len(COLOURS)], hatch=("", "//", "..", "xx")[i % 4], edgecolor=PAPER, label=name)
        ax.errorbar(mean, place, xerr=error, fmt="none", ecolor=INK, elinewidth=1.3, capsize=3)
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    if ax.get_xlim()[0] < 0:
        ax.axvline(0, color=INK, linewidth=1)
    _legend(ax, len(series))
    return ax


def lines(
    at: Sequence[float], series: Mapping[str, Sequence[float]], bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    x: str = "", y: str = "", title: str = "", log: str = "", ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Lines over a common axis, each with its own colour and, up to 40 positions, its own marker.

    Args:
        at: positions on the horizontal axis.
        series: name → values, as many as positions.
        bands: name → (low, high), drawn as a band of the same colour.
        x: what stands on the horizontal axis, with the unit; ``y`` likewise.
        title: the figure's title.
        log: axes on a logarithmic scale, such as ``"x"`` or ``"xy"``; up to ten positions on such a horizontal axis are its ticks.
        ax: where to draw; a new figure when None.

    Returns:
        The axes.
    """
    ax = _axes(ax, x, y, title)
    for i, (name, values) in enumerate(series.items()):
        marker = MARKERS[i % len(MARKERS)] if len(at) <= 40 else None
        ax.plot(at, values, marker=marker, color=COLOURS[i % len(COLOURS)], label=name)
        if bands and name in bands:
            ax.fill_between(at, *bands[name], color=COLOURS[i % len(COLOURS)], alpha=0.18, linewidth=0)
    for axis in log:
        getattr(ax, f"set_{axis}scale")("log")
    if "x" in log and len(at) <= 10:
        ax.set_xticks(at, [f"{value:,g}" for value in at])
        ax.set_xticks([], minor=True)
    _legend(ax, len(series))
    return ax


def histogram(
    series: Mapping[str, Sequence[float]] | Sequence[float], bins: int | Sequence[float] = 30,
    x: str = "", y: str = "how many", title: str = "", log: str = "", ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Histograms as outlines over common bins, or one filled histogram. With ``"x"`` in ``log`` the bins are even in the logarithm."""
    named = series if isinstance(series, Mapping) else {"": series}
    ax = _axes(ax, x, y, title)
    values = np.concatenate([np.asarray(v, float).ravel() for v in named.values()])
    values = values[np.isfinite(values) & ((values > 0) | ("x" not in log))]
    if isinstance(bins, int):
        bins = np.geomspace(values.min(), values.max(), bins + 1) if "x" in log else np.histogram_bin_edges(values, bins)
    for i, (name, one) in enumerate(named.items()):
        kind = "stepfilled" if len(named) == 1 else "step"
        ax.hist(one, bins=bins, histtype=kind, color=COLOURS[i % len(COLOURS)], linewidth=2, linestyle=("-", "--", ":", "-.")[i % 4], label=name)
    for axis in log:
        getattr(ax, f"set_{axis}scale")("log")
    _legend(ax, len(named))
    return ax


def slider(frames: Mapping[str, Figure], label: str, alt: Mapping[str, str], start: str) -> HTML:
    """One picture of several, chosen by moving a slider. It needs no kernel; where scripts do not run, the picture of ``start`` stands alone.

    Args:
        frames: value → its figure, in the order of the slider. The figures are closed.
        label: what the slider moves.
        alt: value → what its picture shows.
        start: the value shown first.

    Returns:
        The pictures and the slider as one piece of HTML.
    """
    from IPython.display import HTML

    values, pictures = list(frames), []
    for value, figure in frames.items():
        file = BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        plt.close(figure)
        hidden = "" if value == start else ' style="display:none"'
        data = b64encode(file.getvalue()).decode()
        pictures.append(f'<img data-value="{escape(value)}" alt="{escape(alt[value])}" src="data:image/png;base64,{data}"{hidden}>')
    show = (
        "const all=[...this.closest('.slider').querySelectorAll('img')],now=all[this.value];all.forEach(one=>one.style.display=one===now?'':'none');"
        "this.setAttribute('aria-valuetext',now.dataset.value);this.nextElementSibling.textContent=now.dataset.value"
    )
    move = f'<input type="range" min="0" max="{len(values) - 1}" value="{values.index(start)}" aria-valuetext="{escape(start)}" oninput="{show}">'
    return HTML(f'<div class="slider"><label>{escape(label)} {move} <output>{escape(start)}</output></label>{"".join(pictures)}</div>')
