"""Exercises and quiz questions, read from the chapters' sources. Used by the table of exercises and by the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tools.flatten import split_options

_BLOCK = r"^(?P<fence>:{{3,}})\{{{name}\}}[ \t]+(?P<title>.*)\n(?P<body>(?:.*\n)*?)(?P=fence)[ \t]*$"
_EXERCISE, _QUIZ, _ANSWER = (re.compile(_BLOCK.format(name=name), re.M) for name in ("exercise", "quiz", "answer"))


@dataclass(frozen=True)
class Exercise:
    """One exercise as its directive states it.

    Attributes:
        ident: ``02-1``. level: 1 to 3. minutes: how long it takes. central: one of the chapter's two central ones.
        hint: the words behind the hint, empty when there is none.
    """

    ident: str
    title: str
    level: int
    minutes: int
    objective: str
    central: bool
    statement: str
    hint: str


@dataclass(frozen=True)
class Quiz:
    """One question: ``ident`` such as ``02-q1``, ``kind`` predict or explain, ``answers`` as (words, right, feedback)."""

    ident: str
    kind: str
    title: str
    question: str
    answers: list[tuple[str, bool, str]] = field(default_factory=list)


def exercises(source: Path) -> list[Exercise]:
    """The exercises of one chapter, in order. ValueError for a level or minutes that are no numbers."""
    found = []
    for match in _EXERCISE.finditer(source.read_text(encoding="utf8")):
        ident, _, title = match["title"].strip().partition(" ")
        options, body = split_options(match["body"].split("\n"))
        hint = re.search(r"^:{3,}\{hint\}[^\n]*\n(.*?)^:{3,}$", body, re.M | re.S)
        found.append(Exercise(
            ident, title, int(options.get("level", 0)), int(options.get("minutes", 0)), options.get("objective", ""), "central" in options,
            re.split(r"^:{3,}\{hint\}", body, flags=re.M)[0].strip(), hint[1].strip() if hint else "",
        ))  # fmt: skip
    return found


def quizzes(source: Path) -> list[Quiz]:
    """The quiz questions of one chapter, in order."""
    found = []
    for match in _QUIZ.finditer(source.read_text(encoding="utf8")):
        ident, kind, title = match["title"].strip().split(" ", 2)
        answers = []
        for answer in _ANSWER.finditer(match["body"]):
            options, feedback = split_options(answer["body"].split("\n"))
            answers.append((answer["title"].strip(), "right" in options, feedback.strip()))
        question = re.split(r"^:{3,}\{answer\}", match["body"], flags=re.M)[0].strip()
        found.append(Quiz(ident, kind, title, question, answers))
    return found
