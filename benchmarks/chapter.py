"""The recorded run of a chapter: its own code cells, with the data at hand; what they leave in ``real`` is written down.

    python benchmarks/chapter.py 00_start_here
    python benchmarks/chapter.py 01_scenes_people_things
    python benchmarks/chapter.py 02_judging

The run's id is the one the chapter loads, so the record cannot differ from what the chapter would compute. It holds counts, shares,
places and intervals; no row of the data and no title.
"""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import jupytext

from recsys_lib.data import load
from recsys_lib.results import record

CHAPTERS = Path(__file__).resolve().parents[1] / "chapters"


def main(stem: str) -> None:
    """Run the cells of ``chapters/<stem>.md``, exercises left out, and record ``real``."""
    source = (CHAPTERS / f"{stem}.md").read_text(encoding="utf8")
    run = re.search(r'load_result\("([^"]+)"\)', source).group(1)
    load("amazon-fkb")  # without the data there is nothing to record: fail here, with the loader's own sentence
    began, names = time.perf_counter(), {"display": lambda *tables: None}
    for cell in jupytext.reads(source, fmt="md:myst").cells:
        if cell.cell_type == "code" and not {"stub", "check", "solution"} & set(cell.metadata.get("tags", [])):
            exec(compile(cell.source, stem, "exec"), names)
    path = record(
        run, command=f"python benchmarks/chapter.py {stem}", metrics=names["real"], data="amazon-fkb", seeds=[0],
        seconds=round(time.perf_counter() - began, 1), intervals="95 %, 2,000 draws of people",
    )  # fmt: skip
    print(f"wrote {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
