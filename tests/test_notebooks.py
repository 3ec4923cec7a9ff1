"""The notebook maker: what it flattens, what it refuses, and that its output depends on the source alone."""

from __future__ import annotations

import itertools
import json
import re
import shutil

import nbformat
import pytest

from tools import common, make_notebooks
from tools.flatten import Flattener, Unflattenable, exercise_number

HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n"


def cite(key: str, textual: bool) -> str:
    return f"{key.title()} (2020)" if textual else f"{key.title()}, 2020"


flat = Flattener(cite, link=lambda to: f"https://x/{to}", image=lambda path: f"https://x/{path}")


@pytest.fixture
def book(tmp_path):
    """A root with the configuration, the bibliography and no chapters."""
    for name in ("_config.yml", "references.bib"):
        shutil.copy(common.ROOT / name, tmp_path)
    (tmp_path / "chapters").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("plain $x$ and `code`", "plain $x$ and `code`"),
        (":::{note}\nMind this.\n:::", "> **Note.** Mind this."),
        (":::{predict}\nHow many?\n\n- one\n:::", "> **Before you run it.** How many?\n>\n> - one"),
        (":::{admonition} Why\nBecause.\n:::", "> **Why**\n>\n> Because."),
        (":::{admonition} Why\n:class: dropdown\nBecause.\n:::", "<details><summary>Why</summary>\n\nBecause.\n\n</details>"),
        ("::::{note}\na\n\n:::{hint}\nb\n:::\n::::", "> **Note.** a\n>\n> <details><summary>Hint</summary>\n>\n> b\n>\n> </details>"),
        ("```{math}\na = b\n```", "$$\na = b\n$$"),
        ("$$\na = [b](c)\n$$", "$$\na = [b](c)\n$$"),
        (":::{figure} images/a.svg\n:alt: A circle.\nRound.\n:::", "![A circle.](https://x/images/a.svg)\n\nRound."),
        ("(label)=\n## Head", "## Head"),
        ("by {cite:t}`he` and {cite:p}`a, b`", "by He (2020) and (A, 2020; B, 2020)"),
        ("a {term}`scene`, {term}`scenes <scene>`, {math}`x`", "a scene, scenes, $x$"),
        ("[two](02_b.md), [here](#label), {ref}`there <label>`, {doc}`three <03_c>`", "[two](https://x/02_b.md), here, there, [three](https://x/03_c.md)"),
        ("`{cite:t}` stays code, ``[a](b)`` too", "`{cite:t}` stays code, ``[a](b)`` too"),
        ("```python\n:::{note}\n```", "```python\n:::{note}\n```"),
        (":::{solution} 02-1\nsecret\n:::", ""),
    ],
    ids=itertools.count(),  # the sources themselves would hold colons, which split test names
)
def test_flattens(source, wanted):
    assert flat(source) == wanted


@pytest.mark.parametrize(
    ("source", "phrase"),
    [
        (":::{glue} x\n:::", "{glue}"),
        ("{eval}`x`", "{eval}"),
        ("{ref}`label`", "its own text"),
        (":::{note}\nopen", "never closed"),
        ("text\n:::", "opens or closes no block"),
        (":::{front}\n:letters: P Q\n:::", "can be lit"),
        (":::{exercise} first\n:::", "should look like 02-1"),
    ],
    ids=["directive", "role", "ref", "open", "stray", "letters", "exercise"],
)
def test_refuses(source, phrase):
    with pytest.raises(Unflattenable, match=re.escape(phrase)):
        flat(source)


def test_front_and_exercise_read_well():
    front = flat(":::{front}\n:letters: P S\n:question: Who?\n:needs: chapter 01\n:reading: 5 minutes\n\n- count\n:::")
    assert "R = f(**P**, I, **S**, L)" in front and "**Who?**" in front and "- count" in front and "needs chapter 01" in front
    text = flat("::::{exercise} 02-1 By hand\n:level: 2\n:minutes: 15\n:objective: count\n:central:\n\nDo it.\n::::")
    assert text.startswith("#### Exercise 2.1 ★★ By hand") and "15 minutes" in text and "central" not in text
    assert exercise_number("12-03") == "12.3"


def test_made_notebook(book):
    source = book / "chapters" / "02_trial.md"
    cells = "```{code-cell} ipython3\nx = 1\n```\n\n```{code-cell} ipython3\nx = 1\n```\n\n"
    secret = "```{code-cell} ipython3\n:tags: [solution]\nsecret = 42\n```\n"
    source.write_text(HEAD + "# Trial\n\nSee {cite:t}`steck2019ease`.\n\n" + cells + secret)
    made = make_notebooks.make(source, book)
    text = make_notebooks.text(made)
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert text == make_notebooks.text(make_notebooks.make(source, book))
    assert "secret" not in text and "Steck (2019)" in text
    assert "colab.research.google.com/github/across-scenes/across-scenes/blob/main/chapters/02_trial.ipynb" in made.cells[0].source
    assert "kaggle.com/kernels/welcome?src=https://github.com/across-scenes/across-scenes/blob/main/chapters/02_trial.ipynb" in made.cells[0].source
    assert "raw.githubusercontent.com/across-scenes/across-scenes/main/chapters/02_trial.ipynb" in made.cells[0].source
    assert "--no-deps" in made.cells[1].source and "across-scenes/across-scenes@main" in made.cells[1].source
    assert len({cell.id for cell in made.cells}) == len(made.cells)
    assert all(cell["outputs"] == [] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    assert "References" in made.cells[-1].source


def test_check_finds_a_stale_notebook(book, capsys):
    source = book / "chapters" / "02_trial.md"
    source.write_text(HEAD + "# Trial\n")
    assert make_notebooks.main(book, check=True) == 1
    assert make_notebooks.main(book) == 0
    assert make_notebooks.main(book, check=True) == 0
    source.write_text(HEAD + "# Another\n")
    assert make_notebooks.main(book, check=True) == 1
    assert "make notebooks" in capsys.readouterr().err
    source.rename(source.with_name("03_trial.md"))
    assert make_notebooks.main(book) == 1 and "02_trial.ipynb has no source any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "phrase"),
    [
        ("{cite:t}`nobody2020`", "not in references.bib"),
        ("[x](99_none.md)", "leads nowhere"),
        (":::{figure} images/none.svg\n:alt: a\n:::", "not in the chapters' folder"),
        ("```{code-cell} ipython3\n:tags: [odd]\nx = 1\n```", "not on the list"),
    ],
)
def test_a_mistake_is_named_with_its_place(book, capsys, body, phrase):
    (book / "chapters" / "02_trial.md").write_text(HEAD + "# Trial\n\n+++\n\n" + body + "\n")
    assert make_notebooks.main(book) == 1
    message = capsys.readouterr().err
    assert "02_trial.md, cell" in message and phrase in message


def test_committed_notebooks_are_up_to_date():
    assert make_notebooks.main(check=True) == 0
