"""Plain Markdown from MyST: what a reader on Colab sees. Unknown directives and roles are refused, by line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

OPEN = re.compile(r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<title>.*)$")
INLINE = re.compile(r"\{(?P<role>[\w:]+)\}`(?P<body>[^`]+)`|(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)", re.S)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\[]+)\]\((?P<to>[^)\s]+)\)")
LABEL = re.compile(r"^\([\w:.-]+\)=\s*$")
TITLED = re.compile(r"^(?P<text>.+?)\s*<(?P<to>[^<>]+)>$", re.S)
ASIDES = {
    "note": "Note.", "tip": "Tip.", "important": "Important.", "warning": "Warning.", "seealso": "See also.",
    "predict": "Before you run it.",
}  # fmt: skip
RIGHT, WRONG = "Right.", "Not this one."
LETTERS = "PISL"


class Unflattenable(ValueError):
    """A directive or role that does not read well outside the book."""


def exercise_number(ident: str) -> str:
    """``02-1`` as people say it: ``2.1``."""
    chapter, _, number = ident.partition("-")
    if not (chapter.isdigit() and number.isdigit()):
        raise Unflattenable(f"exercise id {ident!r} should look like 02-1: the chapter's two digits, a dash, a running number.")
    return f"{int(chapter)}.{int(number)}"


def quiz_head(title: str) -> str:
    """``02-q1 explain Kind judges`` as people read it: ``Question 1, explain: Kind judges``."""
    found = re.match(r"^\d\d-q(?P<number>[1-9]) (?P<kind>predict|explain) (?P<words>\S.*)$", title)
    if not found:
        raise Unflattenable(f"the quiz {title!r} should look like `02-q1 explain Kind judges`: chapter, running number, predict or explain, a title.")
    return f"Question {found['number']}, {found['kind']}: {found['words']}"


def split_options(lines: list[str]) -> tuple[dict[str, str], str]:
    """The ``:key: value`` lines at the head of a directive's body, and the rest of it."""
    options: dict[str, str] = {}
    at = 0
    while at < len(lines) and (found := re.match(r"^:([\w-]+):[ \t]*(.*)$", lines[at])):
        options[found[1]] = found[2].strip()
        at += 1
    return options, "\n".join(lines[at:]).strip("\n")


def lit(letters: str, mark: Callable[[str], str]) -> str:
    """``f(P, I, S, L)`` with the given letters marked; an A among them is added as the weights."""
    wanted = set(letters.replace(",", " ").split())
    if wanted - set(LETTERS + "A"):
        raise Unflattenable(f":letters: has {sorted(wanted - set(LETTERS + 'A'))}; only P, I, S, L and A can be lit.")
    inside = ", ".join(mark(letter) if letter in wanted else letter for letter in LETTERS)
    return f"R = f({inside}{'; ' + mark('A') if 'A' in wanted else ''})"


def quote(text: str) -> str:
    """The text as a block quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def fold(title: str, body: str) -> str:
    """A closed drop-down that Colab, JupyterLab and GitHub all show."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


class Flattener:
    """Turns the Markdown of one chapter into plain Markdown.

    Args:
        cite: (key, textual) → words for a citation; raises KeyError for a key that no bibliography has.
        link: relative target of a link → an address that works from anywhere.
        image: path of an image relative to the chapter → its address.
        solutions: keep the words about solutions, closed, instead of dropping them.
    """

    def __init__(
        self, cite: Callable[[str, bool], str], link: Callable[[str], str], image: Callable[[str], str], solutions: bool = False
    ) -> None:
        self.cite, self.link, self.image, self.solutions = cite, link, image, solutions

    def __call__(self, text: str) -> str:
        """Plain Markdown of one cell. Raises Unflattenable for what the guide does not allow."""
        lines, out, at = text.split("\n"), [], 0
        while at < len(lines):
            line = lines[at]
            fence = OPEN.match(line) or re.match(r"^\s*(?P<fence>`{3,}|~{3,}|\$\$)", line)
            if not fence:
                if re.match(r"^\s*(:{3,}|`{3,}\{)", line):
                    raise Unflattenable(f"{line.strip()!r} opens or closes no block here; directives start at the left margin.")
                out.append("\x00" if LABEL.match(line) or line.startswith("% ") else line)
                at += 1
                continue
            stop = self._end(lines, at, fence["fence"])
            if "name" in fence.groupdict():
                out.append("\x01" + self._directive(fence["name"], fence["title"].strip(), lines[at + 1 : stop]))
            else:
                out.append("\x01" + "\n".join(lines[at : stop + 1]))
            at = stop + 1
        done, prose = [], []
        for line in [*out, "\x01"]:  # \x00 marks a line to drop, \x01 text that is finished
            if line.startswith("\x01"):
                done += [self._inline("\n".join(prose)), line[1:]] if prose else [line[1:]]
                prose = []
            elif line != "\x00":
                prose.append(line)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(done)).strip("\n")

    @staticmethod
    def _end(lines: list[str], at: int, fence: str) -> int:
        if fence == "$$":
            if lines[at].strip().endswith("$$") and len(lines[at].strip()) > 2:
                return at
            closing = re.compile(r"\$\$\s*$")
        else:
            closing = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        for stop in range(at + 1, len(lines)):
            if closing.search(lines[stop]):
                return stop
        raise Unflattenable(f"the block that opens with {lines[at]!r} is never closed.")

    def _directive(self, name: str, title: str, lines: list[str]) -> str:
        options, raw = split_options(lines)
        if name == "math":
            return f"$$\n{(title + chr(10) + raw).strip()}\n$$"
        if name == "front":
            return self._front(options, self(raw))
        body = self(textwrap.dedent(raw))
        if name in ASIDES:
            return quote(f"**{ASIDES[name]}** " + "\n".join(part for part in (self._inline(title), body) if part))
        if name == "admonition" and "dropdown" not in options.get("class", ""):
            return quote(f"**{self._inline(title)}**\n\n{body}")
        if name in ("dropdown", "admonition"):
            return fold(self._inline(title), body)
        if name == "hint":
            return fold("Hint", body)
        if name == "figure":
            caption = f"\n\n{body}" if body else ""
            return f"![{options.get('alt', '')}]({self.image(title)}){caption}"
        if name == "quiz":
            letters = iter("ABCDEF")
            return f"#### {quiz_head(title)}\n\n" + re.sub(r"(?<=^<details><summary>)", lambda _: f"{next(letters)}. ", body, flags=re.M)
        if name == "answer":
            return fold(self._inline(title), f"**{RIGHT if 'right' in options else WRONG}** {body}")
        if name == "exercise":
            ident, _, words = title.partition(" ")
            stars = "★" * int(options.get("level", 1))
            head = f"#### Exercise {exercise_number(ident)} {stars} {words}".rstrip()
            return f"{head}\n\n*About {options.get('minutes', '10')} minutes. Objective: {options.get('objective', '')}.*\n\n{body}"
        if name == "solution":
            return fold(f"About the solution of exercise {exercise_number(title.split()[0])}", body) if self.solutions else ""
        raise Unflattenable(f"the directive {{{name}}} is not on the list in CONTRIBUTING.md.")

    def _front(self, options: dict[str, str], body: str) -> str:
        facts = [options.get("needs") and f"needs {options['needs']}", options.get("reading") and f"{options['reading']} of reading",
                 options.get("runs") and f"runs {options['runs']}", options.get("hardware")]  # fmt: skip
        parts = [lit(options.get("letters", ""), lambda letter: f"**{letter}**"), f"**{self._inline(options.get('question', ''))}**"]
        if body:
            parts.append(f"After this chapter you can\n\n{body}")
        return "\n\n".join([*parts, f"*{'; '.join(fact for fact in facts if fact)}*"])

    def _inline(self, text: str) -> str:
        def swap(found: re.Match) -> str:
            return found[0] if found["role"] is None else self._role(found["role"], found["body"])

        pieces, last = [], 0
        for found in INLINE.finditer(text):
            pieces += [self._links(text[last : found.start()]), swap(found)]
            last = found.end()
        return "".join([*pieces, self._links(text[last:])])

    def _links(self, text: str) -> str:
        return LINK.sub(lambda m: m["text"] if m["to"].startswith("#") else f"[{m['text']}]({self.link(m['to'])})", text)

    def _role(self, role: str, body: str) -> str:
        titled = TITLED.match(body)
        if role == "math":
            return f"${body}$"
        if role == "term":
            return titled["text"] if titled else body
        if role.startswith("cite"):
            keys, textual = [key.strip() for key in body.split(",")], role == "cite:t"
            words = [self.cite(key, textual) for key in keys]
            return ", ".join(words) if textual else f"({'; '.join(words)})"
        if role == "doc":
            return self._links(f"[{titled['text'] if titled else body}]({titled['to'] if titled else body}.md)")
        if role == "ref" and titled:
            return titled["text"]
        raise Unflattenable(f"the role in {{{role}}}`{body}` is not on the list in CONTRIBUTING.md (a ref needs its own text).")
