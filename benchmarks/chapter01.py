"""The recorded run of chapter 01: its own code cells, with the Amazon data at hand, written to ``data/results/01-scenes.json``.

    python benchmarks/chapter01.py

The cells are those of ``chapters/01_scenes_people_things.md`` (exercises left out), so the record cannot differ from what the chapter
would compute. It holds counts, shares and intervals; no row of the data.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import jupytext

from recsys_lib.data import load
from recsys_lib.results import record

CHAPTER = Path(__file__).resolve().parents[1] / "chapters" / "01_scenes_people_things.md"


def main() -> None:
    load("amazon-fkb")  # without the data there is nothing to record: fail here, with the loader's own sentence
    began, names = time.perf_counter(), {"display": lambda *tables: None}
    for cell in jupytext.read(CHAPTER, fmt="md:myst").cells:
        if cell.cell_type == "code" and "real" not in names:
            exec(compile(cell.source, str(CHAPTER), "exec"), names)
    path = record(
        "01-scenes", command="python benchmarks/chapter01.py", metrics=names["real"],
        data="amazon-fkb", seeds=[0], seconds=round(time.perf_counter() - began, 1), intervals="95 %, 2,000 draws of people",
    )  # fmt: skip
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
