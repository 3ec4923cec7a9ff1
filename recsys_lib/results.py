"""Recorded runs: what is too heavy for a reader's two cores is run once, written down with its circumstances, and read from there."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.data.sources import writing
from recsys_lib.errors import BadData

_CHECKOUT = Path(__file__).parent.parent / "data" / "results"
_WHEEL = Path(__file__).parent / "_results"


def folder() -> Path:
    """Where recorded runs lie: ``data/results`` of a checkout, or inside the installed library."""
    return _CHECKOUT if _CHECKOUT.is_dir() else _WHEEL


def machine() -> dict[str, Any]:
    """This machine in a few words: processor kind, cores, GPU name if there is one, Python and torch versions."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": platform.machine(), "cores": os.cpu_count(), "gpu": gpu, "python": platform.python_version(), "torch": torch.__version__}


def commit() -> str | None:
    """The commit of this checkout, short, with "-dirty" behind it where the library or the benchmarks have changed since; None outside a checkout, and on a machine without git."""
    try:
        head, changed = (
            subprocess.run(["git", *words], capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()
            for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--", ":/recsys_lib", ":/benchmarks"))
        )
    except OSError:
        return None
    return head + "-dirty" * bool(changed) if head else None


def record(run: str, *, command: str, metrics: Any, **facts: Any) -> Path:
    """Write a recorded run to ``data/results/<run>.json``, in one step: a reader never meets half a file.

    Args:
        run: its id, e.g. ``03-amazon``. command: what to type to get it again. metrics: JSON-able figures, with intervals and n; nan and infinity, which JSON does not have, become null.
        **facts: anything else worth knowing (``seeds``, ``seconds``, ``budget``, ``data``, …).
    """
    import resource  # Windows has none: runs are read there, not recorded

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    entry = {"id": run, "command": command, "commit": commit(), "date": datetime.date.today().isoformat(), "device": machine(), "peak_gb": round(peak, 2), **facts, "metrics": metrics}
    text = json.dumps(entry, ensure_ascii=False, default=lambda value: np.asarray(value).item())
    text = json.dumps(json.loads(text, parse_constant=lambda _: None), indent=1, ensure_ascii=False, allow_nan=False)
    return writing(folder() / f"{run}.json", lambda part: part.write_text(text, encoding="utf-8"))


def load_result(run: str) -> dict[str, Any]:
    """A recorded run by its id.

    Raises:
        BadData: there is no such run; the message lists those there are.
    """
    path = folder() / f"{run}.json"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in folder().glob("*.json"))) or "none yet"
        raise BadData(f"no recorded run is called {run!r}; there are: {there}.")
    return json.loads(path.read_text(encoding="utf-8"))


def so_far(run: str) -> dict[str, Any]:
    """The metrics an earlier run of this id wrote down before it stopped; {} where there is none. A long benchmark goes on from there."""
    try:
        return load_result(run)["metrics"]
    except BadData:
        return {}


def table(run: str, key: str | None = None) -> pd.DataFrame:
    """The metrics of a recorded run as a table, one row an entry. ``key`` picks a part of the metrics."""
    metrics = load_result(run)["metrics"]
    return pd.DataFrame.from_dict(metrics if key is None else metrics[key], orient="index")


def board(run: str, metric: str = "ndcg10", slices: Sequence[tuple[str, str]] = (("known", "known"), ("known", "new"), ("withheld", "all"))) -> pd.DataFrame:
    """The scoreboard of a recorded run: one row a system, mean, 95 % interval and n of a metric in each slice, best in the first slice on top.

    Args:
        run: a run whose metrics hold ``slices`` for each system. metric: e.g. ``recall100``. slices: pairs of person kind and item slice.

    Returns:
        Columns (``person × item``, mean | low | high | n), as :func:`recsys_lib.evaluation.scoreboard` has them; nan where the run has no such slice. A run's ``n`` counts all pairs of
        the slice, also the few that had nothing to be compared with in ``pm_auc``.
    """
    rows = {}
    for name, system in load_result(run)["metrics"].items():
        found = {f"{p} × {i}": system["slices"].get(f"{p} × {i}", {}) for p, i in slices}
        rows[name] = {(key, part): row.get(end) for key, row in found.items() for part, end in (("mean", metric), ("low", metric + "_low"), ("high", metric + "_high"), ("n", "n"))}
    table = pd.DataFrame.from_dict(rows, orient="index").astype(float)
    table = table.astype({column: "Int64" for column in table.columns if column[1] == "n"})
    return table.sort_values(table.columns[0], ascending=False)


def means(board: pd.DataFrame, digits: int = 4) -> pd.DataFrame:
    """A board for a narrow page: the means alone, a column a slice, with its n in the column's name (from least to most where systems differ)."""
    n = board.xs("n", axis=1, level=1)
    spans = {name: (column.min(), column.max()) for name, column in n.items()}
    named = {name: "none" if pd.isna(low) else f"{low:,}" if low == high else f"{low:,} to {high:,}" for name, (low, high) in spans.items()}
    return board.xs("mean", axis=1, level=1).rename(columns={name: f"{name} (n = {words})" for name, words in named.items()}).round(digits)


def caption(run: str) -> str:
    """One line on where a recorded run comes from, to stand under its table."""
    r = load_result(run)
    return f"Recorded run `{run}` of {r['date']}, commit `{r['commit']}`, {r['device']['cores']} cores{', ' + r['device']['gpu'] if r['device']['gpu'] else ''}; again with `{r['command']}`."


def told(difference: dict[str, float], digits: int = 4, bold: bool = True) -> str:
    """A paired difference in words: mean, 95 % interval, n, and what the interval allows us to say: ahead, behind, or not told apart.

    Args:
        difference: with ``difference``, ``low``, ``high`` and ``n``, as :func:`recsys_lib.evaluation.compare` gives it. digits: after the point.
        bold: Markdown's stars around the mean; False for a table that would show them.
    """
    mean, low, high, verdict = _words(difference, digits)
    return f"{f'**{mean}**' if bold else mean} ({low} to {high}, n = {difference['n']:,}): {verdict or 'not told apart'}"


def brief(difference: dict[str, float], digits: int = 4) -> str:
    """A paired difference for a cell of a table whose n stands elsewhere: mean, 95 % interval, and "ahead" or "behind" where zero lies outside it.

    Args:
        difference: with ``difference``, ``low`` and ``high``. digits: after the point.
    """
    mean, low, high, verdict = _words(difference, digits)
    return f"{mean} ({low} to {high}) {verdict}".rstrip()


def _words(difference: dict[str, float], digits: int) -> tuple[str, str, str, str]:
    """Mean and interval as they are printed, without a zero that has a minus, and "ahead", "behind" or ""."""
    mean, low, high = (f"{round(difference[key], digits) + 0.0:+.{digits}f}" for key in ("difference", "low", "high"))
    return mean, low, high, "ahead" if difference["low"] > 0 else "behind" if difference["high"] < 0 else ""
