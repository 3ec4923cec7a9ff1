"""The book's own directives, closed solutions, alt text and a number for every figure, and the run time of each page, on the wall and on the processor.

Directives: ``front``, ``predict``, ``quiz``, ``answer``, ``exercise``, ``hint``, ``solution``; how to write them is told in CONTRIBUTING.md.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.ext import execution_tables
from pygments.formatters import HtmlFormatter
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.highlighting import PygmentsBridge
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tools import common
from tools.flatten import RIGHT, WRONG, exercise_number, lit, quiz_head

LOGGER = logging.getLogger(__name__)


class Box(SphinxDirective):
    """An admonition with a class of its own."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    words = ""
    classes: tuple[str, ...] = ()

    def title(self) -> str:
        """The words in the box's head."""
        return self.words

    def lead(self) -> list[nodes.Node]:
        """Paragraphs before the content."""
        return []

    def run(self) -> list[nodes.Node]:
        """The admonition."""
        box = nodes.admonition(classes=list(self.classes))
        self.set_source_info(box)
        inline, messages = self.state.inline_text(self.title(), self.lineno)
        box += [nodes.title("", "", *inline), *messages, *self.lead()]
        self.state.nested_parse(self.content, self.content_offset, box)
        self.add_name(box)
        return [box]


class Predict(Box):
    """The question a reader commits to before running the next cell."""

    words = "Before you run it"
    classes = ("predict",)


class Hint(Box):
    """A closed hint."""

    words = "Hint"
    classes = ("dropdown", "exercise-hint")


class Solution(Box):
    """Words beside the solution's code, closed."""

    classes = ("dropdown", "exercise-solution")

    def title(self) -> str:
        """Which exercise it solves."""
        return f"About the solution of exercise {exercise_number(self.arguments[0].split()[0])}"


class Exercise(Box):
    """The statement of an exercise: id and title, level, minutes, objective."""

    required_arguments = 1
    optional_arguments = 0
    option_spec = {
        "level": lambda text: directives.choice(text, ("1", "2", "3")),
        "minutes": directives.positive_int,
        "objective": directives.unchanged_required,
        "central": directives.flag,
    }
    classes = ("exercise",)

    def title(self) -> str:
        """``Exercise 2.1 ★★ NDCG by hand``."""
        ident, _, words = self.arguments[0].partition(" ")
        self.options["name"] = f"exercise-{ident}"
        return f"Exercise {exercise_number(ident)} {'★' * int(self.options['level'])} {words}"

    def lead(self) -> list[nodes.Node]:
        """Minutes and objective."""
        words = f"About {self.options['minutes']} minutes. Objective: {self.options['objective']}."
        inline, messages = self.state.inline_text(words, self.lineno)
        return [nodes.paragraph("", "", *inline, classes=["exercise-facts"]), *messages]


class details(nodes.General, nodes.Element):
    """One answer of a quiz: HTML's own disclosure, which needs no script and answers to the keyboard."""


class summary(nodes.General, nodes.TextElement):
    """The line of an answer that is always seen."""


class Quiz(Box):
    """A question with answers to open; each tells why it is right or what it mistakes."""

    required_arguments = 1
    optional_arguments = 0
    classes = ("quiz",)

    def title(self) -> str:
        """``Question 1, explain: Kind judges``."""
        return quiz_head(self.arguments[0])

    def run(self) -> list[nodes.Node]:
        """The box, its answers lettered."""
        [box] = super().run()
        for letter, head in zip("ABCDEF", box.findall(summary), strict=False):
            head.insert(0, nodes.strong("", f"{letter}. "))
        return [box]


class Answer(SphinxDirective):
    """One answer, closed: its words, and behind them whether it is right and why."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"right": directives.flag}

    def run(self) -> list[nodes.Node]:
        """The disclosure."""
        box = details()
        self.set_source_info(box)
        inline, messages = self.state.inline_text(self.arguments[0], self.lineno)
        box += [summary("", "", *inline), *messages]
        self.state.nested_parse(self.content, self.content_offset, box)
        verdict = [nodes.strong("", RIGHT if "right" in self.options else WRONG), nodes.Text(" ")]
        if len(box) < 2 or not isinstance(box[1], nodes.paragraph):
            box.insert(1, nodes.paragraph())
        box[1][:0] = verdict
        return [box]


class runtime(nodes.General, nodes.Element):
    """A place for the seconds this page took."""


def thread(letters: str) -> str:
    """``R = f(P, I, S, L)`` as a picture: a thread through the four inputs, into f with its weights A, and out to R; ``letters`` are lit."""
    formula = lit(letters, str)
    spoken = f"{formula}. Today: {letters}." if letters else formula
    lights = set(letters.replace(",", " ").split())
    stops = [("P", "person", 24), ("I", "item", 88), ("S", "scene", 152), ("L", "language", 216), ("A", "f, weights", 290), ("R", "list", 364)]
    parts = ['<path class="thread" d="M24 26H364"/>']
    for letter, word, x in stops:
        shape = f'<rect x="{x - 24}" y="8" width="48" height="36" rx="6"/>' if letter == "A" else f'<circle cx="{x}" cy="26" r="18"/>'
        name = "f" if letter == "A" and "A" not in lights else letter
        parts.append(f'<g class="{"lit" if letter in lights else "unlit"}">{shape}<text class="letter" x="{x}" y="32">{name}</text><text x="{x}" y="62">{word}</text></g>')
    return f'<svg class="letters" viewBox="0 0 392 70" role="img" aria-label="{escape(spoken)}">{"".join(parts)}</svg>'


class Front(SphinxDirective):
    """The head of a chapter: formula with today's letters, question, what the reader can do afterwards, and what it takes."""

    has_content = True
    option_spec = {name: directives.unchanged for name in ("letters", "question", "needs", "reading", "runs", "hardware")}

    def run(self) -> list[nodes.Node]:
        """The card."""
        card = nodes.container(classes=["front"])
        card += nodes.raw("", thread(self.options.get("letters", "")), format="html")
        inline, messages = self.state.inline_text(self.options.get("question", ""), self.lineno)
        card += [nodes.paragraph("", "", *inline, classes=["question"]), *messages]
        if self.content:
            card += nodes.paragraph("", "After this chapter you can", classes=["able"])
            self.state.nested_parse(self.content, self.content_offset, card)
        facts = nodes.paragraph(classes=["facts"])
        for word, name in (("Needs", "needs"), ("Reading", "reading"), ("Runs", "runs"), ("Hardware", "hardware")):
            if name in self.options:
                inline, messages = self.state.inline_text(self.options[name], self.lineno)
                facts += [nodes.strong("", word), nodes.Text(" "), *inline, *messages, nodes.Text(". ")]
        facts += runtime()
        card += facts
        if re.match(r"chapters/\d\d_", self.env.docname):
            places = nodes.paragraph("", "Run it: ", classes=["facts"])
            for name, address in common.places(Path(self.env.docname).name).items():
                places += [nodes.reference("", f"download for {name}" if name == "Jupyter" else name, refuri=address), nodes.Text(", " if name != "Jupyter" else ".")]
            card += places
        return [card]


class CloseSolutions(SphinxTransform):
    """Cells tagged ``solution`` become closed drop-downs. Runs before myst-nb's own hiding."""

    default_priority = 100

    def apply(self) -> None:
        """Mark them."""
        for cell in self.document.findall(nodes.container):
            if "tag_solution" in cell.get("classes", ()):
                cell["hide_mode"] = "all"
                cell["prompt_show"], cell["prompt_hide"] = "Show the solution", "Hide the solution"


def count_processor(app: Sphinx, env: BuildEnvironment) -> None:
    """Beside the wall seconds of a page's run stand those of the processor, where the cache of runs has them (``tools.build_book`` writes both)."""
    from jupyter_cache import get_cache
    from myst_nb.sphinx_ import NbMetadataCollector

    folder = app.config.nb_execution_cache_path
    runs = {run.created.timestamp(): run.data for run in get_cache(folder).list_cache_records()} if folder else {}
    for data in NbMetadataCollector.get_doc_data(env).values():
        if facts := data.get("exec_data"):
            facts["processor"] = runs.get(facts["mtime"], {}).get("processor_seconds")


COLUMNS = {"mtime": "run on", "runtime": "wall, s", "processor": "processor, s"}
"""What the table of run times says of a page, in place of myst-nb's own choice."""


def in_seconds(time: float | None) -> str:
    """A time in that table. Runs from before processors were counted have none."""
    return f"{time:.1f}" if time else "not noted"


def finish(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write the measured run time; warn (which fails the build) of a figure without alt text."""
    from myst_nb.sphinx_ import NbMetadataCollector

    facts = NbMetadataCollector.get_exec_data(app.env, docname) or {}
    for place in list(doctree.findall(runtime)):
        seconds, processor = facts.get("runtime"), facts.get("processor")
        words = f"This page took {seconds:.0f} s when it was built, on one thread{f', {processor:.0f} s of them on the processor' if processor else ''}." if seconds else ""
        place.replace_self(nodes.Text(words))
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            LOGGER.warning("%s has no alt text; say what there is to see.", image.get("uri"), location=image)


def explain_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """A term's link carries its definition as its title, as a citation's carries its reference; ``_static/explain.js`` shows both."""
    if "glossary" not in app.env.found_docs:
        return
    meaning = {}
    for entry in app.env.get_doctree("glossary").findall(nodes.definition_list_item):
        words = " ".join(part.astext() for part in entry.findall(nodes.definition))
        meaning |= {name: " ".join(words.split()) for term in entry.findall(nodes.term) for name in term["ids"]}
    for link in doctree.findall(nodes.reference):
        if words := meaning.get(link.get("refuri", "").rpartition("glossary.html#")[2]):
            link["reftitle"] = words


def number_figures(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """``Fig. 3.1`` is the first captioned figure of chapter 03; Sphinx itself would count from 1 on every page."""
    for docname, kinds in env.toc_fignumbers.items():
        if found := re.match(r"chapters/(\d\d)_", docname):
            for numbers in kinds.values():
                numbers.update({figure: (int(found[1]), number[-1]) for figure, number in numbers.items()})
    return []  # no page more to write


def offer_notebook(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """The download button gives the notebook without solutions and outputs, the one that opens on Colab. A page without one has no such button."""
    source = Path(app.srcdir) / f"{page}.ipynb"
    target = Path(app.outdir) / "_sources" / f"{page}.ipynb"
    if not source.is_file() and "header_buttons" in context:
        context["header_buttons"] = [button for button in context["header_buttons"] if button.get("label") != "launch-buttons"]
    if source.is_file() and target.is_file():
        shutil.copyfile(source, target)


def dress(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """What a page needs for offline reading, for a screen reader, and for the card that a shared link shows.

    Thebe is dropped: the theme adds it to every page, it is never used here, and its button would fetch a script from elsewhere. A list of
    references gets the role that its entries need to count as a list. Light or dark follows the reader's system until they choose.
    """
    for kind in ("script_files", "css_files"):
        if kind in context:
            context[kind] = [file for file in context[kind] if "thebe" not in f"{getattr(file, 'filename', file)} {getattr(file, 'attributes', '')}".lower()]
    context["default_mode"] = "auto"
    if "body" in context:
        context["body"] = context["body"].replace(' role="doc-biblioentry"', ' role="listitem"')
    base = app.config.html_baseurl.rstrip("/")
    title = escape(re.sub("<[^>]+>", "", context.get("title", "")))
    facts = {"og:type": "book" if page == app.config.root_doc else "article", "og:title": title, "og:site_name": app.config.html_title,
             "og:url": f"{base}/{page}.html", "og:image": f"{base}/_static/card.png", "og:image:alt": "Five dots, one a scene, and a thread through all."}  # fmt: skip
    lines = [f'<meta property="{name}" content="{value}" />' for name, value in facts.items()]
    context["metatags"] = context.get("metatags", "") + "\n".join([*lines, '<meta name="twitter:card" content="summary_large_image" />'])


class HangingLines(HtmlFormatter):
    """Each line of code in a span that knows its indent, so that a line too long for the page goes on below its own beginning (``book.css``)."""

    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """The lines, and the elements around them."""
        return super().wrap(self._spans(source))

    @staticmethod
    def _spans(source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        for is_line, text in source:
            words = re.sub("<[^>]+>", "", text)
            indent = len(words) - len(words.lstrip(" "))
            newline = "\n" if text.endswith("\n") else ""
            yield is_line, f'<span class="code-line" style="--indent:{indent}">{text.removesuffix(newline)}</span>{newline}' if is_line else text


def tags(start: str, end: str) -> tuple:
    """Visitors of a node that is one HTML element."""
    return (lambda writer, node: writer.body.append(start)), (lambda writer, node: writer.body.append(end))


def setup(app: Sphinx) -> dict:
    """Register everything with Sphinx."""
    PygmentsBridge.html_formatter = HangingLines
    app.add_node(runtime)
    app.add_node(details, html=tags('<details class="answer">', "</details>\n"))
    app.add_node(summary, html=tags("<summary>", "</summary>\n"))
    for name, directive in (
        ("front", Front), ("predict", Predict), ("quiz", Quiz), ("answer", Answer), ("exercise", Exercise), ("hint", Hint), ("solution", Solution),
    ):  # fmt: skip
        app.add_directive(name, directive, override=True)
    app.add_transform(CloseSolutions)
    execution_tables._key2header, told = COLUMNS, execution_tables._key2transform
    told |= {"mtime": lambda at: str(date.fromtimestamp(at)), "runtime": in_seconds, "processor": in_seconds}
    app.connect("env-updated", count_processor)
    app.connect("env-get-updated", number_figures, priority=900)  # after Sphinx has counted
    app.connect("doctree-resolved", finish)
    app.connect("doctree-resolved", explain_terms)
    app.connect("html-page-context", offer_notebook, priority=900)
    app.connect("html-page-context", dress, priority=910)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
