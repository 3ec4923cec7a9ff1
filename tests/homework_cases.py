"""Planted wrong submissions: what was changed in the solution, the marks it should get, and words that the student should read."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

EMPTY_TEST = """\
from otter.test_files import test_case
OK_FORMAT = False
name = "q2"
points = [5]

@test_case()
def test_all_well():
    pass
"""


@dataclass(frozen=True)
class Wrong:
    """``edits``: (before, after), each found once in the solution's cells. ``lost``: question → points that are left. ``says``: words in a message."""

    name: str
    assignment: str
    edits: tuple[tuple[str, str], ...]
    left: dict[str, int]
    says: str
    tests: dict[str, str] = field(default_factory=dict)


ROW_BOOTSTRAP = (("person = np.unique(a.user, return_inverse=True)[1]", "person = np.arange(len(a))"),)
WRONG = [
    Wrong("endless-function", "hw1", (("    order = tie_order(items)\n", "    while True:\n        pass\n"),), {"q1": 0}, "never ends"),
    Wrong("endless-cell", "hw1", (("def verdict(", "while True:\n    pass\n\n\ndef verdict("),), {"q4": 0}, "is not there"),
    Wrong("deleted-cell", "hw1", (("def best_window(", "DELETE"),), {"q3": 0}, "is not there"),
    Wrong("import-error", "hw1", (("def verdict(", "import bootstrap_helpers\n\n\ndef verdict("),), {"q4": 0}, "stopped by an error above it"),
    Wrong("prints", "hw1", (("    return float(discount", "    print(discount"),), {"q1": 0}, "only `return`"),
    Wrong("other-class", "hw1", (("    split = temporal_split(log)\n    j = judge", "    return OTHER\n    j = judge"),), {"q5": 1}, "another class"),
    Wrong("wrong-ties", "hw1", (("    order = tie_order(items)\n    order = order[np.argsort(-scores[order], kind=\"stable\")]\n", "    order = np.argsort(-scores, kind=\"stable\")\n"),), {"q1": 3}, "tie_order"),
    Wrong("ideal-of-k", "hw1", (("discount[: min(k, len(positives))]", "discount[:k]"),), {"q1": 1}, "the best there is"),
    Wrong("leaked-future", "hw1", (("cut = temporal_split(log).validation()", "cut = temporal_split(log)"),), {"q3": 1}, "tuned on the test"),
    Wrong("rows-not-people", "hw1", ROW_BOOTSTRAP, {"q4": 4}, "eight rows of one person"),
    Wrong("modified-tests", "hw1", (("return events[events.time < T]", "return events[events.time <= T]"),), {"q2": 2}, "8 itself is test", {"tests/q2.py": EMPTY_TEST}),
    Wrong("overwrites-tests", "hw1", (("def leaked(", f"for n in range(1, 6):\n    open(f'tests/q{{n}}.py', 'w').write({EMPTY_TEST!r}.replace('q2', f'q{{n}}'))\n\n\ndef leaked("),), dict.fromkeys(("q1", "q2", "q3", "q4", "q5"), 0), "were changed"),
    Wrong("kills-the-kernel", "hw1", (("def leaked(", "import os\n\nos._exit(1)\n\n\ndef leaked("),), {}, "could not be graded"),
    Wrong("plants-too-late", "hw2", (("for moment in (until, until + 3600, until + 90 * 86_400)", "for moment in (until + 3600, until + 90 * 86_400)"),), {"q2": 4}, "plant at the moment itself"),
    Wrong("gate-transposed", "hw2", (("pools * gates[scene]).sum(1) @ A", "pools * gates[scene]).sum(1) @ A.T"),), {"q3": 4}, "right way round"),
    Wrong("draws-not-counted", "hw3", (("torch.log(drawn.shape[1] * q)", "torch.log(q)"),), {"q1": 1}, "number of draws"),
    Wrong("forgets-the-dice", "hw3", (("    torch.set_rng_state(state[\"random\"])\n", ""),), {"q2": 4}, "generator's state"),
    Wrong("reads-the-closed-scene", "hw3", (("elsewhere = train.with_events(train.events[train.events.scene != scene])", "elsewhere = train"),), {"q4": 4}, "on its first day"),
]  # fmt: skip


def write(case: Wrong, solution: Path, folder: Path, other: dict[str, object]) -> Path:
    """The submission of one case, a notebook, or a zip where it brings its own tests. ``other``: the right numbers of another class."""
    notebook = nbformat.read(solution, as_version=4)
    for before, after in case.edits:
        found = [cell for cell in notebook.cells if cell.cell_type == "code" and before in cell.source]
        assert len(found) == 1, f"{case.name}: {before!r} stands in {len(found)} cells"
        if after == "DELETE":
            notebook.cells.remove(found[0])
        else:
            found[0].source = found[0].source.replace(before, after.replace("OTHER", repr(other)))
    path = folder / f"{case.name}.ipynb"
    nbformat.write(notebook, path)
    if not case.tests:
        return path
    packed = folder / f"{case.name}.zip"
    with zipfile.ZipFile(packed, "w") as bundle:
        bundle.write(path, f"{case.assignment}.ipynb")
        for name, text in case.tests.items():
            bundle.writestr(name, text)
    os.remove(path)
    return packed
