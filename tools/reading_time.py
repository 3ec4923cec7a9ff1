"""How long a chapter takes to read: what its front should say.

    python -m tools.reading_time

Words outside code at 140 a minute, as one reads what has to be understood, and half a minute for each code cell that is seen. Exercises have
minutes of their own and do not count; solutions are closed. Rounded to five minutes.
"""

from __future__ import annotations

import re
from pathlib import Path

import jupytext

from tools import common

WORDS_A_MINUTE, MINUTES_A_CELL = 140, 0.5
UNSEEN = {"remove-input", "hide-input", "hide-cell"}


def reading_minutes(source: Path) -> int:
    """Minutes to read one chapter, a multiple of five."""
    body = re.sub(r"^## Exercises\n.*?(?=^## |\Z)", "", source.read_text(encoding="utf8"), flags=re.M | re.S)
    cells = jupytext.reads(body, fmt="md:myst").cells
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    seen = sum(cell.cell_type == "code" and not UNSEEN & set(cell.metadata.get("tags", [])) for cell in cells)
    return 5 * round((words / WORDS_A_MINUTE + seen * MINUTES_A_CELL) / 5)


def front_minutes(source: Path) -> int:
    """What the chapter's front says."""
    return int(re.search(r"^:reading: (\d+) minutes$", source.read_text(encoding="utf8"), re.M)[1])


if __name__ == "__main__":
    for chapter in common.chapters():
        print(f"{chapter.stem}: {reading_minutes(chapter)} minutes; its front says {front_minutes(chapter)}")
