"""The rules a chapter's source keeps, read from the source: cells, alt text, exercises, table of contents."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import jupytext
import pytest
import yaml

from tools import build_book, common, reading_time

FIGURE = re.compile(r"plotting\.(bars_with_intervals|lines|histogram)\(|plt\.(show|subplots|figure|plot|imshow|scatter|hist|bar)\(|\.plot\(")
TYPED = re.compile(r"(?:NDCG|Recall|AUC|Gini)[^.\n]{0,40}\bis\s+\**0?\.\d{2,}")
CHAPTERS = common.chapters()


def cells(source: Path, kind: str, tag: str = "") -> list:
    """The cells of one kind in a chapter, with a tag if one is asked for."""
    found = [cell for cell in jupytext.read(source, fmt="md:myst").cells if cell.cell_type == kind]
    return [cell for cell in found if not tag or tag in cell.metadata.get("tags", [])]


each_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=[path.stem for path in CHAPTERS])


@each_chapter
def test_code_cells_are_short(source):
    for cell in cells(source, "code"):
        assert len(cell.source.splitlines()) <= 25, f"{source.name}: a cell of more than 25 lines starts with {cell.source.splitlines()[0]!r}"
        assert set(cell.metadata.get("tags", [])) <= common.CELL_TAGS


@each_chapter
def test_figures_have_alt_text(source):
    for cell in cells(source, "code"):
        if FIGURE.search(cell.source) and "def " not in cell.source:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, f"{source.name}: no alt text on the figure of the cell {cell.source.splitlines()[0]!r}"
    for figure in re.finditer(r"^:{3,}\{figure\}.*\n((?::[\w-]+:.*\n)*)", source.read_text(encoding="utf8"), re.M):
        assert ":alt:" in figure[1], f"{source.name}: no :alt: under {figure[0].splitlines()[0]!r}"


@each_chapter
def test_exercises_are_complete(source):
    text = source.read_text(encoding="utf8")
    idents = re.findall(r"^:{3,}\{exercise\}[ \t]+(\S+)", text, re.M)
    chapter = source.name[:2]
    assert idents == [f"{chapter}-{number}" for number in range(1, len(idents) + 1)], f"{source.name}: exercises are numbered {idents}"
    assert len(idents) >= 4, f"{source.name} has {len(idents)} exercises; a chapter has at least four"
    assert len(re.findall(r"^:central:", text, re.M)) >= 2, f"{source.name} marks fewer than two exercises as :central:"
    assert len(re.findall(r"^:{3,}\{hint\}", text, re.M)) >= len(idents), f"{source.name} has an exercise without a hint"
    stubs, checks, solutions = ("\n".join(cell.source for cell in cells(source, "code", tag)) for tag in ("stub", "check", "solution"))
    for ident in idents:
        assert f'check("{ident}"' in checks, f"{source.name}: no cell tagged check calls check({ident!r}, …)"
        solved = not common.has_solutions() or re.search(rf'^assert check\("{ident}"', solutions, re.M)
        assert solved, f"{source.name}: no cell tagged solution ends with assert check({ident!r}, …)"
    assert len(cells(source, "code", "stub")) >= len(idents), f"{source.name} has an exercise without a stub"
    assert stubs


@each_chapter
def test_front(source):
    text = source.read_text(encoding="utf8")
    front = re.search(r"^:{3,}\{front\}\n(.*?)^:{3,}$", text, re.M | re.S)
    assert front, f"{source.name} has no front"
    for option in ("question", "needs", "reading", "runs", "hardware"):
        assert f":{option}:" in front[1], f"{source.name}: the front has no :{option}:"
    assert 3 <= len(re.findall(r"^- ", front[1], re.M)) <= 5, f"{source.name}: the front lists three to five things to be able to do"
    assert re.search(r"^:{3,}\{predict\}", text, re.M), f"{source.name} asks for no prediction"


@each_chapter
def test_no_measured_number_is_typed(source):
    for cell in cells(source, "markdown"):
        found = TYPED.search(cell.source)
        assert not found, f"{source.name}: {found[0]!r} is typed; let a cell say it"


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda path: path.stem)
def test_the_reading_time_follows_from_the_words(source):
    counted, said = reading_time.reading_minutes(source), reading_time.front_minutes(source)
    assert abs(counted - said) <= 5, f"{source.name}: the front says {said} minutes and its words make {counted}"


def test_exercises_and_solutions_take_no_reading_time_and_cells_do(tmp_path):
    page, head = tmp_path / "97_trial.md", "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n# Trial\n\n:::{front}\n:reading: 10 minutes\n:::\n\n"
    words, cell = "word " * 1400 + "\n\n", "```{code-cell} ipython3\nx = 1\n```\n\n"
    minutes = []
    exercises = "## Exercises\n\n" + 20 * cell + words
    for body in (words, words + exercises, words + 20 * cell, words + exercises + "## Further reading\n\n" + words):
        page.write_text(head + body)
        minutes.append(reading_time.reading_minutes(page))
    assert minutes == [10, 10, 20, 20] and reading_time.front_minutes(page) == 10


def test_contents_name_every_chapter():
    contents = yaml.safe_load((common.ROOT / "_toc.yml").read_text(encoding="utf8"))
    named = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    assert [name for name in named if name.startswith("chapters/")] == [f"chapters/{path.stem}" for path in CHAPTERS]
    for name in [contents["root"], *named]:
        assert (common.ROOT / f"{name}.md").is_file(), f"_toc.yml names {name}, which is not there"


def test_the_repository_has_one_address(offline, tmp_path):
    url, branch = common.repository()
    citation = yaml.safe_load((common.ROOT / "CITATION.cff").read_text(encoding="utf8"))
    assert (common.ROOT / "_config.yml").read_text(encoding="utf8").count(url) == 1
    assert citation["repository-code"] == url
    assert citation["url"] == common.home() or not common.has_solutions()  # a class's copy leaves the book's home where it is
    shutil.copy(common.ROOT / "_config.yml", tmp_path)
    written = yaml.safe_load(build_book.configure(tmp_path, tmp_path / "_build", tmp_path / "cache").read_text(encoding="utf8"))
    theme = written["sphinx"]["config"]["html_theme_options"]
    assert (theme["repository_url"], theme["repository_branch"]) == (url, branch)
