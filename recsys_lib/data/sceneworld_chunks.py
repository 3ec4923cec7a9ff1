"""A world too large to keep in memory, written scene by scene as parquet files and read back."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from recsys_lib.data.sceneworld_tables import VERSION, happenings, items_of_scene
from recsys_lib.data.sceneworld_truth import Truth
from recsys_lib.data.sources import cache_dir, explained
from recsys_lib.errors import BadData


def stored(truth: Truth, scenes: pd.DataFrame, knobs: dict[str, Any], cache: str | Path | None) -> tuple[dict[str, pd.DataFrame], Path]:
    """Items and events of a world kept on disk; written first where they are not there yet.

    The folder ``<cache>/<preset>-<hash of version and knobs>`` holds ``items-SS.parquet``, ``impressions-SS.parquet`` and
    ``events-SS.parquet`` for each scene. It appears only when it is complete (written beside, then renamed), so neither an
    interrupted nor a second process leaves a half-written world.
    """
    cache = cache_dir() / "sceneworld" if cache is None else Path(cache).expanduser()
    plain = {name: knob.item() if isinstance(knob, np.generic) else knob for name, knob in knobs.items()}  # np.float64(0.8) is 0.8
    key = hashlib.sha256(f"{VERSION} {sorted(plain.items(), key=lambda k: k[0])}".encode()).hexdigest()[:16]
    folder = cache / f"{knobs['preset']}-{key}"
    if not folder.exists():
        with explained(folder):
            _write(truth, scenes, knobs, folder)
    try:
        tables = {
            kind: pd.concat([pd.read_parquet(folder / f"{kind}-{s:02d}.parquet") for s in range(n)], ignore_index=True)
            for kind, n in (("items", len(scenes)), ("events", truth.n_live))
        }
    except (OSError, ValueError) as problem:  # pyarrow's errors are of these kinds
        raise BadData(f"the world in {folder} is damaged ({problem}); delete the folder, and it is written anew.") from problem
    tables["events"] = tables["events"].sort_values(["time", "user", "item"], kind="stable", ignore_index=True)
    return tables, folder


def _write(truth: Truth, scenes: pd.DataFrame, knobs: dict[str, Any], folder: Path) -> None:
    half = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    try:
        half.mkdir(parents=True, exist_ok=True)
        for s, name in enumerate(tqdm(scenes["name"], desc=f"writing {knobs['preset']}", disable=None)):
            items_of_scene(truth, s, name, knobs)[0].to_parquet(half / f"items-{s:02d}.parquet")
            if s < truth.n_live:
                shown, events = happenings(truth, s, knobs["seed"])
                shown.to_parquet(half / f"impressions-{s:02d}.parquet")
                events.to_parquet(half / f"events-{s:02d}.parquet")
        try:
            os.rename(half, folder)
        except OSError:  # another process finished first: its files are the same
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
