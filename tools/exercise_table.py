"""``exercises.md``, the table of all exercises, made from the chapters' sources. Called by ``make notebooks``.

    python -m tools.exercise_table [--check]

With ``--check`` nothing is written, and the exit status is 1 when the committed page is not what the sources make.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import common
from tools.questions import Exercise, exercises

HEAD = """\
# All exercises

% Made by `make notebooks` from the chapters. Do not edit.

Each one has a hint, a check that answers in a sentence, and a solution, folded away in the book and absent from the notebooks. A chapter's
two **central** ones have checks that were tried on several typical mistakes. Minutes are for somebody who has read the chapter.
"""
STARS = {1: "a few lines, straight from the text", 2: "one thought of your own", 3: "several thoughts that have to fit together"}


def title(source: Path) -> str:
    """A chapter's title: its first heading."""
    return next(line[2:].strip() for line in source.read_text(encoding="utf8").splitlines() if line.startswith("# "))


def row(exercise: Exercise) -> str:
    """One line of the table."""
    central = " **central**" if exercise.central else ""
    name = f"{{ref}}`{exercise.ident} {exercise.title} <exercise-{exercise.ident}>`"
    return f"| {name}{central} | {'★' * exercise.level} | {exercise.minutes} | {exercise.objective} |"


def page(root: Path = common.ROOT) -> str:
    """The whole page as MyST Markdown."""
    lines, every = [], []
    for source in common.chapters(root):
        found = exercises(source)
        if not found:
            continue
        every += found
        lines += ["", f"## {source.name[:2]} · {title(source)}", "", f"[Open the chapter](chapters/{source.name}), {len(found)} exercises, "
                  f"{sum(e.minutes for e in found)} minutes.", "", "| exercise | level | minutes | objective |", "|---|---|---|---|"]  # fmt: skip
        lines += [row(exercise) for exercise in found]
    levels = "\n".join(f"- {'★' * k} {words}: {sum(e.level == k for e in every)} exercises" for k, words in STARS.items())
    total = f"{len(every)} exercises, {sum(e.minutes for e in every) / 60:.0f} hours of work.\n\n{levels}"
    return "\n".join([HEAD, total, *lines]) + "\n"


def main(root: Path = common.ROOT, check: bool = False) -> int:
    """Write (or check) the page; the exit status."""
    return common.keep_page(root / "exercises.md", page(root), "the chapters", check)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
