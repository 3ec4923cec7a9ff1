"""``make class``: the homework of one class, in a world of its own.

    python -m tools.class_set SEED FOLDER [--only hw1] [--unchecked]

The seed makes the class's SceneWorld. FOLDER gets

- ``student/``: the notebooks with public tests and the world's tables, and the capstone's brief: what the class receives;
- ``instructor/``: the same with solutions and all tests, and ``autograder.zip`` for ``otter run`` (or ``python -m tools.grade``);
- ``key.json``: the seed, and the class's right numbers. It stays with the instructor: whoever has the seed can look up the truth.

otter-grader makes the two editions from the masters in ``homework/`` and runs the solutions against all tests, unless ``--unchecked``.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
import numpy as np

from recsys_lib.data import load_tidy, temporal_split
from recsys_lib.data.log import ITEM, SCENE, TIME, USER, InteractionLog
from recsys_lib.data.sceneworld import make_world
from recsys_lib.errors import BadData, RecsysError
from tools import common

MASTERS = ("hw1", "hw2", "hw3")
SIZE = {"preset": "tiny", "theme_share": 0.8}
VECTORS = 64

SETUP = (
    """\
# Set-up. It installs what is missing, and brings the tests and your class's tables. Where PyTorch is, as on Colab, no other package is touched.
import base64, importlib.util, io, pathlib, zipfile

"""
    + common.INSTALL
    + """\
if importlib.util.find_spec("otter") is None:
    %pip install -q "otter-grader>=7,<8"
if not pathlib.Path("tests").is_dir():
    zipfile.ZipFile(io.BytesIO(base64.b85decode(
        "{bundle}"
    ))).extractall()
"""
)
GRADER = """\
import otter

grader = otter.Notebook(tests_dir="tests")"""


def write_tables(log: InteractionLog, folder: Path) -> None:
    """A log as the tidy tables a class receives: what a shop knows, and nothing of the truth."""
    e, items, names = log.events, log.items, log.scenes["name"].to_numpy()
    events = e[[]].assign(
        user_id=log.users["user_id"].to_numpy()[e[USER]], item_id=items["item_id"].to_numpy()[e[ITEM]], scene=names[e[SCENE]], timestamp=e[TIME]
    )
    options = {"index": False, "compression": {"method": "gzip", "mtime": 0}}
    events.to_csv(folder / "interactions.csv.gz", **options)
    items.assign(scene=names[items["scene"]])[["item_id", "scene", "title", "description"]].to_csv(folder / "items.csv.gz", **options)
    log.scenes[["name", "description"]].to_csv(folder / "scenes.csv", index=False)


def write_vectors(log: InteractionLog, folder: Path) -> None:
    """What MiniLM makes of each item's title and description, whitened to 64 numbers: float16 [n_items, 64].

    Raises:
        SourceUnreachable: the encoder's weights are in no cache, and their home does not answer.
    """
    from recsys_lib.language import TextEncoder, item_texts, whiten

    vectors = whiten(TextEncoder().encode(item_texts(log, ("title", "description"))), VECTORS)
    np.save(folder / "vectors.npy", vectors.astype(np.float16))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the kernels of the trial runs write to stderr; show it only where the block raises."""
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            kept.seek(0)
            os.write(before, kept.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)


def assign(name: str, world: Path, out: Path, check: bool) -> None:
    """One assignment: master to ``out/student/name`` and ``out/instructor/name``. ``world``: folder of the class's files."""
    from otter.assign import main as otter_assign

    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for path in world.iterdir():
            shutil.copy(path, work)
        notebook = jupytext.read(common.ROOT / "homework" / f"{name}.md", fmt="md:myst")
        notebook.metadata.setdefault("language_info", {"name": "python"})
        nbformat.write(notebook, work / f"{name}.ipynb")
        with quiet():
            otter_assign(str(work / f"{name}.ipynb"), str(work / "made"), no_pdfs=True, no_run_tests=not check)
        made = work / "made"
        shutil.move(next((made / "autograder").glob("*autograder*.zip")), made / "autograder" / "autograder.zip")
        for edition, folder in (("student", "student"), ("autograder", "instructor")):
            add_setup(made / edition / f"{name}.ipynb", made / "student")
            shutil.copytree(made / edition, out / folder / name)


def add_setup(path: Path, student: Path) -> None:
    """Put the set-up cell and otter's own in front. ``student``: the folder whose tests and tables the first cell carries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for file in sorted(p for p in student.rglob("*") if p.is_file() and p.suffix != ".ipynb"):
            info = zipfile.ZipInfo(file.relative_to(student).as_posix())
            info.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(info, file.read_bytes())
    url, branch = common.repository()
    text = SETUP.format(url=url, branch=branch, bundle=base64.b85encode(packed.getvalue()).decode())
    hidden = {"tags": ["otter_ignore", "hide-input"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [nbformat.v4.new_code_cell(text, metadata=hidden), nbformat.v4.new_code_cell(GRADER), *notebook.cells]
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.nbformat_minor = 5
    nbformat.write(notebook, path)


def key(log: InteractionLog) -> dict[str, object]:
    """The class's right numbers, for whoever marks by eye."""
    from recsys_lib.evaluation import judge
    from recsys_lib.models.popularity import Popularity

    split = temporal_split(log)
    cut = split.validation()
    tuned = {str(w): judge(Popularity(w).fit(cut.train, cut.until), cut).value() for w in (3, 7, 14, 30, 60, 200)}
    best = float(max(tuned, key=tuned.get))
    found = judge(Popularity(best).fit(split.train, split.until), split)
    cut_of = log.events.groupby("scene")["time"].quantile(0.8, interpolation="lower")
    late = log.events["time"] > log.events["scene"].map(cut_of)
    leaked = int((log.events["time"][~late] >= log.events["time"][late].min()).sum())
    return {"T": split.until, "events": len(log.events), "validation NDCG@10 by window": tuned, "best window": best,
            "NDCG@10 known x known": found.value(), "rows that leak in question 2": leaked}  # fmt: skip


def make(seed: int, out: Path, only: tuple[str, ...] = MASTERS, check: bool = True) -> None:
    """Make a class set.

    Raises:
        BadData: the seed is below 0, the folder is not empty, or a name in ``only`` is no assignment.
        RecsysError: the solutions do not get full marks in this world.
    """
    if seed < 0:
        raise BadData(f"the seed is {seed}; take a whole number from 0.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise BadData(f"{out} is not an empty folder; name a new one, so that no class set is overwritten.")
    if unknown := set(only) - set(MASTERS):
        raise BadData(f"there is no assignment {sorted(unknown)[0]!r}; they are {', '.join(MASTERS)}.")
    with tempfile.TemporaryDirectory() as scratch:
        plain, read, made = (Path(scratch, name) for name in ("plain", "read", "made"))
        plain.mkdir()
        write_tables(make_world(seed=seed, **SIZE).log, plain)
        log = load_tidy(plain)
        shutil.copytree(plain, read)
        if set(only) & {"hw2", "hw3"}:
            write_vectors(log, read)
        made.mkdir()
        for name in only:
            try:
                assign(name, plain if name == "hw1" else read, made, check)
            except RuntimeError as error:
                raise RecsysError(f"{name}: the solutions do not pass their own tests in the world of seed {seed}; take another seed. {error}") from error
            print(f"{name}: made{', and the solutions get full marks' if check else ''}", flush=True)
        (made / "key.json").write_text(json.dumps({"seed": seed, "world": SIZE, **key(log)}, indent=2) + "\n", encoding="utf8")
        shutil.copy(common.ROOT / "homework" / "capstone.md", made / "student" / "capstone.md")
        shutil.copytree(made, out, dirs_exist_ok=True)  # all of it or nothing: a set that failed leaves no half


def main(arguments: list[str] | None = None) -> int:
    """The command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.class_set", description="The homework of one class, in a world of its own.")
    parser.add_argument("seed", type=int, help="the class's secret: any whole number from 0")
    parser.add_argument("folder", type=Path, help="a new folder for the set")
    parser.add_argument("--only", nargs="+", default=MASTERS, help="some of the assignments")
    parser.add_argument("--unchecked", action="store_true", help="do not run the solutions against the tests")
    given = parser.parse_args(arguments)
    if not common.has_solutions():
        print("This is a class's copy, and the homework's masters were left out of it; make the class set in the whole repository.", file=sys.stderr)
        return 1
    try:
        make(given.seed, given.folder, tuple(given.only), not given.unchecked)
    except RecsysError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Give the class {given.folder / 'student'}; keep {given.folder / 'instructor'} and key.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
