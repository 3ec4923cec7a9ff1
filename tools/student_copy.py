"""``make student TO=../course``: a copy of this repository without solutions, for a class to fork.

    python -m tools.student_copy FOLDER [--url https://github.com/you/course] [--branch main]

A fork would keep the solutions in its history, so this makes a new folder with no history: every tracked file, without the solution
cells and the words about them, without the right answers that the tests use, and without ``homework/`` and its tests (the masters hold
solutions; hand out what the class set made), nor the paragraphs of the pages that link there. With ``--url`` the badges, set-up cells and links lead to the class's own address. The rest of the
tests and the book still pass in the copy.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tools import common, make_notebooks

LEFT_OUT = ("tests/exercises/", "homework/", "tests/homework", "tests/test_homework", "tests/test_class_set", "tests/test_grade")
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?P<body>(?:(?!```).*\n)*?)```[ \t]*\n+", re.M)
TAGGED = re.compile(r"^:?tags: *\[[^\]]*\bsolution\b[^\]]*\]", re.M)
WORDS = re.compile(r"^(?P<fence>:{3,})\{solution\}[^\n]*\n(?:.*\n)*?(?P=fence)[ \t]*\n+", re.M)

HOMEWORK = re.compile(r"^## Homework.*\n(?:(?!## ).*\n)*|^(?:.+\n)*?.*\]\(homework/.*\n(?:.+\n)*\n?|^\| homework \|.*\n", re.M)


def without_homework(text: str) -> str:
    """A page without its section on homework, the paragraphs that link to ``homework/``, and homework's row in a table."""
    return HOMEWORK.sub("", text).rstrip("\n") + "\n"


def without_solutions(text: str) -> str:
    """A chapter's source without its solution cells and the words about solutions."""
    text = CELL.sub(lambda cell: "" if TAGGED.search(cell["body"]) else cell[0], text.rstrip("\n") + "\n\n")
    return WORDS.sub("", text).rstrip("\n") + "\n"


def tracked(root: Path) -> list[str]:
    """Paths of all files that git tracks here. Raises SystemExit with a sentence where this is no checkout."""
    if not shutil.which("git"):
        raise SystemExit("git was not found, and it alone knows which files belong to the repository; install it.")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        raise SystemExit(f"{root} is no git checkout, so nobody can say which files belong to it; clone the repository and run this there.")
    return [name for name in listed.stdout.split("\0") if name]


def copy(root: Path, target: Path, url: str | None = None, branch: str | None = None) -> int:
    """Write the copy into ``target``, a folder that does not exist or is empty; how many files it has."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SystemExit(f"{target} is there already and is not empty; name a new folder.")
    if target.resolve().is_relative_to(root.resolve()):
        raise SystemExit(f"{target} lies inside this repository; name a folder beside it.")
    names = [name for name in tracked(root) if not name.startswith(LEFT_OUT) and (root / name).is_file()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    for source in common.chapters(target):
        source.write_text(without_solutions(source.read_text(encoding="utf8")), encoding="utf8")
    for page in target.glob("*.md"):
        page.write_text(without_homework(page.read_text(encoding="utf8")), encoding="utf8")
    if url:
        old, old_branch = common.repository(root)
        for name in ("_config.yml", "CITATION.cff", "README.md"):
            text = (target / name).read_text(encoding="utf8").replace(old, url.rstrip("/")).replace(common.home(root), common.home(target))
            if branch:
                text = re.sub(rf"^(\s*branch: ){re.escape(old_branch)}$", rf"\g<1>{branch}", text, flags=re.M)
            (target / name).write_text(text, encoding="utf8")
    if make_notebooks.main(target):
        raise SystemExit("A notebook could not be made from its source; the reason stands above.")
    return len(names)


def main(arguments: list[str] | None = None) -> int:
    """Make the copy; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", help="address of the class's own repository")
    parser.add_argument("--branch", help="its branch; with --url")
    chosen = parser.parse_args(arguments)
    number = copy(common.ROOT, chosen.folder, chosen.url, chosen.branch)
    print(f"{number} files, no solutions and no history, are in {chosen.folder}. Make it a repository of its own:")
    branch, address = common.repository(chosen.folder)[1], shlex.quote(chosen.url or "ADDRESS")
    print(f"  cd {shlex.quote(str(chosen.folder))} && git init -q -b {branch} && git add -A && git commit -qm Course && git remote add origin {address} && git push -u origin {branch}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
