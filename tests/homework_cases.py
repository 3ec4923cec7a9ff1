"""Planted wrong submissions: what was changed in the solution, the marks it should get, and words that the student should read."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from otter.nbmeta_config import NBMetadataConfig
from otter.test_files import create_test_file

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
    """``edits``: (before, after), each found once in the solution's cells. ``left``: question → points that are left; all five where it is not named. ``says``: words in a message."""

    name: str
    assignment: str
    edits: tuple[tuple[str, str], ...]
    left: dict[str, int]
    says: str
    tests: dict[str, str] = field(default_factory=dict)


NONE = dict.fromkeys(("q1", "q2", "q3", "q4", "q5"), 0)
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
    Wrong("overwrites-tests", "hw1", (("def leaked(", f"for n in range(1, 6):\n    open(f'tests/q{{n}}.py', 'w').write({EMPTY_TEST!r}.replace('q2', f'q{{n}}'))\n\n\ndef leaked("),), NONE, "were changed"),
    Wrong("kills-the-kernel", "hw1", (("def leaked(", "import os\n\nos._exit(1)\n\n\ndef leaked("),), NONE, "is there a quit(), exit()"),
    Wrong("changes-the-folder", "hw1", (("def leaked(", "%cd ..\n\n\ndef leaked("),), NONE, "does a cell change the folder"),
    Wrong("saves-files", "hw1", (("def leaked(", "np.save('counts.npy', np.zeros(3))\nlog.events.head().to_csv('mine.csv.gz')\n\n\ndef leaked("),), {"q1": 5}, "25 of 25"),
    Wrong("patches-a-tool", "hw1", (("def leaked(", "import builtins\n\nbuiltins.abs = lambda x: 0\n\n\ndef leaked("),), {"q1": 5}, "Look at this one by hand: a cell uses `builtins`"),
    Wrong("plants-too-late", "hw2", (("for moment in (until, until + 3600, until + 90 * 86_400)", "for moment in (until + 3600, until + 90 * 86_400)"),), {"q2": 4}, "plant at the moment itself"),
    Wrong("gate-transposed", "hw2", (("pools * gates[scene]).sum(1) @ A", "pools * gates[scene]).sum(1) @ A.T"),), {"q3": 4}, "right way round"),
    Wrong("draws-not-counted", "hw3", (("torch.log(drawn.shape[1] * q)", "torch.log(q)"),), {"q1": 1}, "number of draws"),
    Wrong("forgets-the-dice", "hw3", (("    torch.set_rng_state(state[\"random\"])\n", ""),), {"q2": 4}, "generator's state"),
    Wrong("reads-the-closed-scene", "hw3", (("elsewhere = train.with_events(train.events[train.events.scene != scene])", "elsewhere = train"),), {"q4": 4}, "on its first day"),
]  # fmt: skip

Q, NDCG, WORD = "np.quantile(drawn, [0.025, 0.975])", "return float(discount[: len(ranked)][hit].sum() / discount[: min(k, len(positives))].sum())", '"better" if low > 0 else "worse" if high < 0 else "not shown"'
DRAWN, STATE, ZERO = "np.nanmean(total[who].sum(0) / count[who].sum(0))", '"optimizer": optimizer.state_dict(), "epoch": epoch, "random": torch.get_rng_state()})', "not gradient[id(p)].any()"
HALVES = "events[events.time < T], events[events.time >= T]"
ON_THE_TEST = (("cut = temporal_split(log).validation()", "cut = temporal_split(log)"),)
ANSWERS = [  # answers to one question, right ones too, marked without a kernel
    Wrong("cut-before-seen", "hw1", (("ranked = items[order]\n", "ranked = items[order][:k]\n"),), {"q1": 3}, "cut at k before"),
    Wrong("seen-score-zero", "hw1", (("    order = tie_order(items)\n", "    scores, seen = np.where(np.isin(items, seen), 0, scores), []\n    order = tie_order(items)\n"),), {"q1": 4}, "a score of 0"),
    Wrong("float32", "hw1", ((NDCG, NDCG.replace("return float", "return np.float32")),), {"q1": 5}, ""),
    Wrong("list-of-one", "hw1", ((NDCG, NDCG.replace("return float(", "return [")[:-1] + "]"),), {"q1": 0}, "not a list: return a float"),
    Wrong("quantile-ignored", "hw1", (("T = np.quantile(events.time, quantile", "T = np.quantile(events.time, .8"),), {"q2": 4}, "is the argument used"),
    Wrong("distinct-times", "hw1", (("T = np.quantile(events.time, quantile", "T = np.quantile(events.time.unique(), quantile"),), {"q2": 4}, "counts six times"),
    Wrong("two-frames-in-a-list", "hw1", ((f"return {HALVES}", f"return [{HALVES}]"),), {"q2": 5}, ""),
    Wrong("verdict-in-a-list", "hw1", ((f"return difference, low, high, {WORD}", f"return [difference, low, high, {WORD}]"),), {"q4": 5}, ""),
    *(Wrong(f"quantiles-{low}-{high}", "hw1", ((Q, f"np.quantile(drawn, [{low}, {high}])"),), {"q4": left}, "the 2.5 and 97.5 per cent quantiles")
      for low, high, left in ((0.05, 0.95, 4), (0.005, 0.995, 3), (0.05, 0.975, 4))),
    Wrong("redraws-the-row-mean", "hw1", ((DRAWN, "total[who].sum() / count[who].sum()"),), {"q4": 4}, "the mean of the scenes' means, too"),
    Wrong("redraws-person-means", "hw1", ((DRAWN, "(total[who].sum(1) / count[who].sum(1)).mean()"),), {"q4": 4}, "the mean of the scenes' means, too"),
    Wrong("gate-in-a-list", "hw2", (("return bool((gain > 0).any()), (gain > 0).astype(float)", "return [bool((gain > 0).any()), (gain > 0).astype(float)]"),), {"q4": 5}, ""),
    Wrong("crowd-tuned-on-the-test", "hw2", ON_THE_TEST, {"q5": 1}, "it was tuned on the test"),
    Wrong("validation-beyond-T", "hw1", (("cut = temporal_split(log).validation()", "cut = temporal_split(log, 0.7)"),), {"q3": 4}, "it was tuned on the test"),
    Wrong("nobody-counts-twice", "hw1", (("who = rng.integers(n, size=n)", "who = np.unique(rng.integers(n, size=n))"),), {"q4": 4}, "a person drawn twice counts twice"),
    Wrong("own-future-only", "hw2", (("past = log.with_events(e[e.time < until])", "past = log.with_events(e[(e.user != person) | (e.time < until)])"),), {"q2": 4}, "what *others* will do"),
    Wrong("T-is-past", "hw3", (("(events.scene == scene) & (events.time < T)", "(events.scene == scene) & (events.time <= T)"),), {"q5": 4}, "T itself is the future"),
    Wrong("optimizer-not-copied", "hw3", (("copy.deepcopy({", "dict({"), ('"model": model.state_dict()', '"model": copy.deepcopy(model.state_dict())')), {"q2": 4}, "the optimizer's saved state went with it"),
    Wrong("numpy-state", "hw3", ((STATE, STATE[:-2] + ', "numpy": np.random.get_state()})'),), {"q2": 2}, "leave out numpy's random state"),
    Wrong("gradients-that-cancel", "hw3", ((ZERO, "gradient[id(p)].sum() == 0"),), {"q3": 4}, "their sum is zero"),
    Wrong("one-zero-is-enough", "hw3", ((ZERO, "(gradient[id(p)] == 0).any()"),), {"q3": 4}, "one number that learns"),
    Wrong("small-is-zero", "hw3", ((ZERO, "gradient[id(p)].abs().sum() < 1e-3"),), {"q3": 4}, "small is not exactly zero"),
]  # fmt: skip


def answer(case: Wrong, solution: Path, folder: Path) -> tuple[dict[str, float], str]:
    """Marks of the questions in ``case.left`` and what the tests say, in this process and folder, which holds the class's tables and tests."""
    cells = nbformat.read(write(case, solution, folder, {}), as_version=4).cells
    names: dict[str, object] = {}
    exec("\n".join(cell.source for cell in cells if cell.cell_type == "code" and "otter" not in cell.source and "grader" not in cell.source), names)
    tests = {question: create_test_file(f"tests/{question}.py", NBMetadataConfig()) for question in case.left}
    for test in tests.values():
        test.run(names)
    return {question: test.score for question, test in tests.items()}, "".join(test.summary() for test in tests.values())


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
