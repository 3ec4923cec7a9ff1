"""What readers are asked: exercises, quiz questions, the table of exercises, and the two editions of a chapter."""

from __future__ import annotations

import re
from collections import Counter

import jupytext
import nbformat
import pytest

from tests.test_notebooks import HEAD, cite
from tools import common, exercise_table, make_notebooks
from tools.flatten import Flattener, Unflattenable
from tools.questions import exercises, quizzes

CHAPTERS = common.chapters()
each_chapter = pytest.mark.parametrize("source", CHAPTERS, ids=[path.stem for path in CHAPTERS])
whole = pytest.mark.skipif(not common.has_solutions(), reason="a class's copy: the solutions were left out")
flat = Flattener(cite, link=lambda to: to, image=lambda path: path)
QUIZ = "::::{quiz} 02-q1 explain Who wins\nWho, of $x$?\n\n:::{answer} The first\nIt does not.\n:::\n\n:::{answer} $y$\n:right:\nSo it is.\n:::\n::::"


def words(text: str) -> int:
    """How many words of at least two letters."""
    return len(re.findall(r"[A-Za-z]{2,}", text))


@each_chapter
def test_exercises_say_what_they_are(source):
    found = exercises(source)
    levels = Counter(e.level for e in found)
    assert levels[1] >= 1 and levels[2] >= 2 and levels[3] >= 1, f"{source.name} has levels {sorted(levels.elements())}; 1, 2, 2, 3 at least"
    assert [e.central for e in found].count(True) == 2, f"{source.name} should have two central exercises"
    for e in found:
        assert 1 <= e.level <= 3 and 5 <= e.minutes <= 60, f"exercise {e.ident}: level {e.level}, {e.minutes} minutes"
        for what, text, least in (("title", e.title, 1), ("objective", e.objective, 3), ("hint", e.hint, 4), ("statement", e.statement, 12)):
            assert words(text) >= least, f"exercise {e.ident} has a {what} of fewer than {least} words: {text!r}"


@each_chapter
def test_three_questions_with_feedback_on_every_answer(source):
    found, text = quizzes(source), source.read_text(encoding="utf8")
    assert text.count("{quiz}") == len(found), f"{source.name}: a quiz is not closed, or has no title"
    assert [q.ident for q in found] == [f"{source.name[:2]}-q{k}" for k in (1, 2, 3)], f"{source.name} has the questions {[q.ident for q in found]}"
    assert {q.kind for q in found} == {"predict", "explain"}
    places = []
    for q in found:
        assert words(q.question) >= 10 and 3 <= len(q.answers) <= 5, f"question {q.ident}: a question and three to five answers"
        right = [k for k, (_, is_right, _) in enumerate(q.answers) if is_right]
        assert len(right) == 1, f"question {q.ident} has {len(right)} right answers"
        places += right
        for answer, _, feedback in q.answers:
            assert not re.search(r"[*`]|\]\(", re.sub(r"\$[^$]*\$", "", answer)), f"question {q.ident}: the words {answer!r} stand in HTML, where Markdown is not read"
            assert words(feedback) >= 15, f"question {q.ident}: the answer {answer!r} teaches nothing: {feedback!r}"
        assert len({answer for answer, _, _ in q.answers}) == len(q.answers)
    assert len(set(places)) > 1, f"{source.name}: the right answer always stands in place {places[0] + 1}"
    assert re.search(r"^(\(exercises-\d\d\)=\n)?## Exercises$", text[text.index("{quiz}") :], re.M), f"{source.name}: questions come before the exercises"


def test_a_quiz_reads_well_in_a_notebook():
    text = flat(QUIZ)
    assert text.startswith("#### Question 1, explain: Who wins\n\nWho, of $x$?")
    assert "<details><summary>A. The first</summary>\n\n**Not this one.** It does not.\n\n</details>" in text
    assert "<details><summary>B. $y$</summary>\n\n**Right.** So it is.\n\n</details>" in text
    for wrong in ("02-1 explain Who", "02-q1 guess Who", "02-q1 explain"):
        with pytest.raises(Unflattenable, match="should look like"):
            flat(QUIZ.replace("02-q1 explain Who wins", wrong))


def test_the_table_of_exercises_is_up_to_date(capsys, tmp_path):
    assert exercise_table.main(check=True) == 0
    listed = re.findall(r"^\| \{ref\}`(\d\d-\d) ", (common.ROOT / "exercises.md").read_text(encoding="utf8"), re.M)
    assert listed == [e.ident for source in CHAPTERS for e in exercises(source)]
    (tmp_path / "chapters").mkdir()
    (tmp_path / "exercises.md").write_text("old")
    assert exercise_table.main(tmp_path, check=True) == 1 and "make notebooks" in capsys.readouterr().err


def parts(source):
    """(lines of code that stand in solutions alone, paragraphs about solutions) of a chapter."""
    secret, public = set(), set()
    for cell in jupytext.read(source, fmt="md:myst").cells:
        if cell.cell_type == "code":
            (secret if "solution" in cell.metadata.get("tags", []) else public).update(line.strip() for line in cell.source.splitlines())
    about = re.findall(r"^:{3,}\{solution\}[^\n]*\n(.*?)^:{3,}$", source.read_text(encoding="utf8"), re.M | re.S)
    return {line for line in secret - public if words(line) >= 2 or len(line) > 12}, [text.strip() for text in about]


@whole
@each_chapter
def test_the_student_edition_holds_no_line_of_a_solution(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    held = {line.strip() for cell in notebook.cells for line in cell.source.splitlines()}
    secret, about = parts(source)
    assert len(secret) >= 4 and not secret & held, f"{source.stem}.ipynb shows {sorted(secret & held)}"
    everything = "\n".join(cell.source for cell in notebook.cells)
    assert not [text for text in about if text.splitlines()[0] in everything]
    assert "solution" not in {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])}


@whole
@each_chapter
def test_the_instructor_edition_holds_them_all_and_checks_each(source):
    notebook = make_notebooks.make(source, solutions=True)
    solutions = [cell.source for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
    for e in exercises(source):
        assert any(re.search(rf'^assert check\("{e.ident}"', text, re.M) for text in solutions), f"exercise {e.ident} is not checked"
    held = {line.strip() for cell in notebook.cells for line in cell.source.splitlines()}
    secret, about = parts(source)
    assert secret <= held
    everything = "\n".join(cell.source for cell in notebook.cells)
    assert everything.count("About the solution of exercise") == len(about)
    assert "do not publish" in notebook.cells[0].source


def test_instructor_notebooks_go_outside_git(tmp_path):
    (tmp_path / "chapters").mkdir()
    for name in ("_config.yml", "references.bib"):
        (tmp_path / name).write_bytes((common.ROOT / name).read_bytes())
    (tmp_path / "chapters" / "02_trial.md").write_text(HEAD + "# Trial\n\n```{code-cell} ipython3\n:tags: [solution]\nx = 42\n```\n")
    [written] = make_notebooks.instructor(tmp_path)
    assert "x = 42" in written.read_text() and written.parent == tmp_path / "_build" / "instructor"
    assert "_build/" in (common.ROOT / ".gitignore").read_text().split()
