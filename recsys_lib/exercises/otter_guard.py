"""The homework's plugin for otter-grader: a time-out for each cell, and no marks where tests or data changed while the notebook ran."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import nbformat
from otter.plugins import AbstractOtterPlugin

CHANGED = (
    "The tests or the data were changed while this notebook ran, so nothing here can be marked. "
    "Remove the cell that writes to tests/ or to the data files, and hand it in again."
)


class Guard(AbstractOtterPlugin):
    """Runs beside the grading, outside the student's notebook. Option ``seconds``: for each cell (60); the variable RECSYS_CELL_SECONDS wins over it."""

    def before_execution(self, submission: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """Put the watch before the first cell, and remember what tests and data look like."""
        seconds = float(os.environ.get("RECSYS_CELL_SECONDS") or (self.plugin_config or {}).get("seconds", 60))
        source = f"from recsys_lib.exercises.homework import watch as _watch\n_watch({seconds})"
        submission.cells.insert(0, nbformat.v4.new_code_cell(source))
        self._before = self._look()
        return submission

    def after_grading(self, results: Any) -> None:
        """Take the marks away where the files are not what they were."""
        if self._look() != self._before:
            for name in results.test_files:
                results.update_score(name, 0)
            results.set_output(CHANGED)

    @staticmethod
    def _look() -> dict[str, str]:
        files = [*Path("tests").glob("*.py"), *Path().glob("*.csv.gz"), *Path().glob("*.npy"), Path("scenes.csv")]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files) if path.is_file()}
