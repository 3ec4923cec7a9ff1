"""A class's copy of the repository: no solution in it, no history, and the student notebooks unchanged."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.test_questions import parts, whole
from tools import class_set, common, make_notebooks, run_tests, student_copy
from tools.questions import exercises

CELLS = "```{code-cell} ipython3\n:tags: [stub]\nx = None\n```\n\n```{code-cell} ipython3\n:tags: [solution, hide-input]\nx = 42\n```\n\n"
CELLS += "```{code-cell} ipython3\n---\ntags: [solution]\nmystnb:\n  image:\n    alt: a\n---\ny = 43\n```\n\n:::{solution} 02-1\nForty-two.\n:::\n\nGo on.\n"


def test_solutions_go_and_the_rest_stays():
    left = student_copy.without_solutions(CELLS)
    assert left == "```{code-cell} ipython3\n:tags: [stub]\nx = None\n```\n\nGo on.\n"
    assert student_copy.without_solutions(left) == left


def test_paragraphs_about_the_homework_go():
    page = "# Page\n\nOne.\n\nTwo,\nsee [this](homework/README.md).\nThree.\n\n## Four\n\nFive.\n"
    assert student_copy.without_homework(page) == "# Page\n\nOne.\n\n## Four\n\nFive.\n"
    assert student_copy.without_homework("Six.\n\n## Homework at scale\n\nSee this.\n\nSeven.\n\n## Eight\n\nNine.\n") == "Six.\n\n## Eight\n\nNine.\n"


def test_what_a_copy_cannot_make_it_says_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "has_solutions", lambda root=common.ROOT: False)
    assert class_set.main(["7", str(tmp_path / "set")]) == 1 and make_notebooks.command(["--instructor"]) == 1
    said = capsys.readouterr()
    assert not said.out and [line.partition(",")[0] for line in said.err.splitlines()] == ["This is a class's copy"] * 2
    assert not list(tmp_path.iterdir())


@whole
def test_a_class_gets_a_copy_without_solutions(tmp_path, capsys):
    target = tmp_path / "course"
    assert student_copy.copy(common.ROOT, target) > 100
    assert not (target / ".git").exists() and not (target / "tests" / "exercises").exists() and not (target / "homework").exists()
    for source in common.chapters():
        held = (target / "chapters" / source.name).read_text(encoding="utf8")
        lines, secret = {line.strip() for line in held.splitlines()}, parts(source)
        assert not secret[0] & lines and not [words for words in secret[1] if words in held]
        assert [e.ident for e in exercises(target / "chapters" / source.name)] == [e.ident for e in exercises(source)]
        notebook = f"chapters/{source.stem}.ipynb"
        assert (target / notebook).read_bytes() == (common.ROOT / notebook).read_bytes()
    assert not common.has_solutions(target)
    for page in target.glob("*.md"):
        text = page.read_text(encoding="utf8")
        assert "](homework/" not in text and "## Homework" not in text, f"{page.name} leads to the homework, which is left out"
        for source in common.chapters():
            long = {line for line in parts(source)[0] if len(line) > 40}
            assert not long & {line.strip() for line in text.splitlines()}, f"{page.name} holds a solution of {source.name}"
    capsys.readouterr()


@whole
def test_a_class_has_its_own_address(tmp_path, capsys):
    target = tmp_path / "course"
    student_copy.copy(common.ROOT, target, url="https://github.com/school/course", branch="fall")
    assert common.repository(target) == ("https://github.com/school/course", "fall")
    assert make_notebooks.main(target, check=True) == 0
    text = (target / "chapters" / "00_start_here.ipynb").read_text(encoding="utf8")
    assert "git+https://github.com/school/course@fall" in text and common.repository()[0] not in text
    readme = (target / "README.md").read_text(encoding="utf8")
    assert "https://school.github.io/course" in readme and common.home() not in readme
    capsys.readouterr()


def test_what_is_printed_can_be_typed(tmp_path, monkeypatch, capsys):
    target, remote = tmp_path / "my course", tmp_path / "remote"

    def copy(root, folder, url, branch):
        folder.mkdir()
        (folder / "_config.yml").write_text(f"repository:\n  url: {url}\n  branch: {branch}\n")

    monkeypatch.setattr(student_copy, "copy", copy)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # a git that nobody has told what a first branch is called
        monkeypatch.setenv(name, os.devnull)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a"), monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b.c")
    assert student_copy.main([str(target), "--url", str(remote), "--branch", "fall"]) == 0
    subprocess.run(["git", "init", "-q", "--bare", remote], check=True)
    subprocess.run(capsys.readouterr().out.splitlines()[-1], shell=True, check=True, capture_output=True)
    assert "fall" in subprocess.run(["git", "branch"], cwd=remote, capture_output=True, text=True).stdout


def test_without_git_it_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SystemExit, match="git was not found"):
        student_copy.tracked(common.ROOT)
    assert run_tests.touched() == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("work")
    with pytest.raises(SystemExit, match="not empty"):
        student_copy.copy(common.ROOT, tmp_path)
    with pytest.raises(SystemExit, match="inside this repository"):
        student_copy.copy(common.ROOT, common.ROOT / "_build" / "course-that-is-not-there")
    with pytest.raises(SystemExit, match="no git checkout"):
        student_copy.tracked(tmp_path)
