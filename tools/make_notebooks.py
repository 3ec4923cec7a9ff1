"""``make notebooks``: the edition of each chapter that opens on Colab. ``make instructor``: the edition with solutions.

    python -m tools.make_notebooks [--check | --instructor]

Jupytext reads ``chapters/NN_name.md`` and writes ``chapters/NN_name.ipynb``. In between we flatten directives and roles to
plain Markdown, add the badge and the set-up cell, drop the solutions, and give each cell an id that depends on its text only.
With ``--check`` nothing is written, and the exit status is 1 when a committed notebook is not what its source makes. With
``--instructor`` the solutions stay, each behind its check, and the notebooks go to ``_build/instructor``, outside git.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from tools import common
from tools.citations import Bibliography
from tools.flatten import Flattener, Unflattenable

SETUP = (
    """\
# Set-up. It does nothing where the book's library is already installed. Where PyTorch is, as on Colab, no other package is touched.
import importlib.util

"""
    + common.INSTALL
)
INSTRUCTOR = "*Instructor edition: it holds the solutions. Please do not publish it.*"


def flattener(root: Path, bibliography: Bibliography, solutions: bool = False) -> Flattener:
    """A flattener whose links and images work from anywhere: they carry the repository's address."""
    url, branch = common.repository(root)

    def link(to: str) -> str:
        if "://" in to or to.startswith("mailto:"):
            return to
        path, _, _ = to.partition("#")
        target = (root / "chapters" / path).resolve()
        if not target.is_file():
            raise Unflattenable(f"the link to {to!r} leads nowhere.")
        if target.parent == root / "chapters" and target.suffix == ".md":
            return common.colab(target.stem, root)
        return f"{url}/blob/{branch}/{target.relative_to(root).as_posix()}"

    def image(path: str) -> str:
        if not (root / "chapters" / path).is_file():
            raise Unflattenable(f"the image {path!r} is not in the chapters' folder.")
        return f"{common.raw(root)}/chapters/{path}"

    return Flattener(bibliography.cite, link, image, solutions)


def make(source: Path, root: Path = common.ROOT, solutions: bool = False) -> NotebookNode:
    """The notebook of one chapter: the student edition, or with ``solutions`` the instructor's.

    Raises:
        Unflattenable: something in the source does not read well outside the book; the sentence says what, and in which cell.
    """
    url, branch = common.repository(root)
    bibliography = Bibliography(root / "references.bib")
    flatten = flattener(root, bibliography, solutions)
    place = common.places(source.stem, root)
    badge = f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({place['Colab']}) [![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]({place['Kaggle']})"
    badge += f" [Download for Jupyter]({place['Jupyter']})"
    setup = SETUP.format(url=url, branch=branch).rstrip()
    cells = [nbformat.v4.new_markdown_cell(INSTRUCTOR if solutions else badge), nbformat.v4.new_code_cell(setup, metadata={"tags": ["setup"]})]
    for number, cell in enumerate(jupytext.read(source, fmt="md:myst").cells, 1):
        tags = cell.metadata.get("tags", [])
        if set(tags) - common.CELL_TAGS:
            raise Unflattenable(f"{source.name}, cell {number}: the tags {sorted(set(tags) - common.CELL_TAGS)} are not on the list.")
        if "solution" in tags and not solutions:
            continue
        if cell.cell_type == "markdown":
            try:
                cell.source = flatten(cell.source)
            except (Unflattenable, KeyError) as problem:
                raise Unflattenable(f"{source.name}, cell {number}: {problem.args[0]}") from None
            if not cell.source.strip():
                continue
        cells.append(cell)
    if bibliography.used:
        lines = [bibliography.line(key) for key in sorted(bibliography.used)]
        cells.append(nbformat.v4.new_markdown_cell("\n".join(["## References", "", *lines])))
    seen: dict[str, int] = {}
    for cell in cells:
        key = hashlib.sha256(cell.source.encode()).hexdigest()[:10]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def text(notebook: NotebookNode) -> str:
    """The notebook as a file, written by jupytext."""
    return jupytext.writes(notebook, fmt="ipynb").rstrip("\n") + "\n"


def main(root: Path = common.ROOT, check: bool = False) -> int:
    """Make (or check) all notebooks; the exit status."""
    wrong = []
    for source in common.chapters(root):
        target = source.with_suffix(".ipynb")
        try:
            made = text(make(source, root))
        except Unflattenable as problem:
            wrong.append(str(problem))
            continue
        same = target.is_file() and target.read_text(encoding="utf8") == made
        if check and not same:
            wrong.append(f"{target.name} is not what {source.name} makes; run `make notebooks` and commit it.")
        if not check and not same:
            target.write_text(made, encoding="utf8")
            print(f"wrote chapters/{target.name}")
    right = len(common.chapters(root)) - len(wrong)
    for left in sorted((root / "chapters").glob("[0-9][0-9]_*.ipynb")):
        if not left.with_suffix(".md").is_file():
            wrong.append(f"{left.name} has no source any more; delete it.")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"{right} of {len(common.chapters(root))} notebooks are what their sources make")
    return bool(wrong)


def instructor(root: Path = common.ROOT) -> list[Path]:
    """Write the instructor edition of every chapter into ``_build/instructor``; the files."""
    folder = root / "_build" / "instructor"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.ipynb"):
        old.unlink()
    for source in common.chapters(root):
        (folder / f"{source.stem}.ipynb").write_text(text(make(source, root, solutions=True)), encoding="utf8")
    print(f"{len(common.chapters(root))} notebooks {'with' if common.has_solutions(root) else 'without'} solutions are in {folder}")
    return sorted(folder.glob("*.ipynb"))


def command(arguments: list[str]) -> int:
    """What the command line asks for; the exit status."""
    if "--instructor" not in arguments:
        return main(check="--check" in arguments)
    if not common.has_solutions():
        print("This is a class's copy, and the solutions were left out of it; make the instructor's edition in the whole repository.", file=sys.stderr)
        return 1
    return int(not instructor())


if __name__ == "__main__":
    sys.exit(command(sys.argv[1:]))
