"""The homework's plugin for otter-grader: a time-out for each cell, no marks where tests or data changed while the notebook ran, and a
word to the instructor where a cell reaches for what the tests are made of."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import nbformat
from otter.plugins import AbstractOtterPlugin

CHANGED = (
    "The tests or the data were changed while this notebook ran, so nothing here can be marked. "
    "Remove the cell that writes to tests/ or over the data files, and hand it in again."
)
BY_HAND = "Look at this one by hand: a cell uses `{}`, with which the tests themselves can be changed."
GIVEN = re.compile(r"import otter\s+grader = otter\.Notebook\(tests_dir=\"tests\"\)|(grader\.check\(\"\w+\"\)\s*)+")
REACHES = re.compile(
    r"\bbuiltins\b|__builtins__|(?:import|from) otter\b|\botter\.|recsys_lib\.exercises|import inspect\b|\binspect\.|\bsetattr\b"
    r"|^\s*(?:np|numpy|pd|pandas|torch)\.\w+\s*=(?!=)",
    re.MULTILINE,
)


class Guard(AbstractOtterPlugin):
    """Runs beside the grading, outside the student's notebook. Option ``seconds``: for each cell (60); the variable RECSYS_CELL_SECONDS wins over it."""

    def before_execution(self, submission: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """Put the watch before the first cell, and remember what tests and data look like."""
        self._reached = reached(submission)
        seconds = float(os.environ.get("RECSYS_CELL_SECONDS") or (self.plugin_config or {}).get("seconds", 60))
        source = f"from recsys_lib.exercises.homework import watch as _watch\n_watch({seconds})"
        submission.cells.insert(0, nbformat.v4.new_code_cell(source))
        self._before = self._look()
        return submission

    def after_grading(self, results: Any) -> None:
        """Take the marks away where a file is not what it was, or a test is new; a student's own new files are theirs."""
        after, words = self._look(), []
        changed = {path for path, content in self._before.items() if after.get(path) != content}
        if changed or any(Path(path).suffix == ".py" for path in after.keys() - self._before.keys()):
            for name in results.test_files:
                results.update_score(name, 0)
            words.append(CHANGED)
        if self._reached:
            words.append(BY_HAND.format(self._reached))
        if words:
            results.set_output("\n".join(words))

    @staticmethod
    def _look() -> dict[str, str]:
        files = [*Path("tests").glob("*.py"), *Path().glob("*.csv.gz"), *Path().glob("*.npy"), Path("scenes.csv")]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files) if path.is_file()}


def reached(notebook: nbformat.NotebookNode) -> str:
    """What a student's cell uses of the tests' own tools, as it stands there; empty where none does. The set-up cell does not run and is left out."""
    for cell in notebook.cells:
        ignored = "otter_ignore" in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not ignored and not GIVEN.fullmatch(cell.source.strip()):
            if found := REACHES.search(cell.source):
                return found[0].strip()
    return ""
