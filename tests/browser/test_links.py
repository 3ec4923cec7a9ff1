"""The built book as files: no link inside it leads nowhere, every picture says what it shows, and Colab opens a notebook that is committed."""

from __future__ import annotations

import functools
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tools import common

CHAPTERS = [source.stem for source in common.chapters()]
EMPTY_WORDS = re.compile(r"(image|figure|plot|chart|picture|graph)s?( of.{0,12})?|.*\.(png|svg|jpe?g)", re.I)


class Page(HTMLParser):
    """Anchors, links and pictures of one file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.pictures, self.depth = {"", "top"}, [], [], 0
        self.feed(text)

    def handle_starttag(self, tag: str, found: list) -> None:
        """Note what the tag carries."""
        values = dict(found)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links += [values[key] for key in ("href", "src") if values.get(key) and values.get("rel") != "canonical"]
        if tag == "article":
            self.depth += 1
        if tag == "img" and self.depth:
            self.pictures.append((values.get("src", ""), values.get("alt")))

    def handle_endtag(self, tag: str) -> None:
        """Leave the article."""
        self.depth -= tag == "article"


@pytest.fixture(scope="session")
def pages(html) -> dict[Path, Page]:
    """All pages of the book."""
    files = [path for path in html.rglob("*.html") if not {"mathjax", "_static"} & set(path.relative_to(html).parts)]
    return {path: Page(path.read_text(encoding="utf8")) for path in files}


def test_links_inside_the_book_lead_somewhere(html, pages):
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                broken.append(f"{path.relative_to(html)}: {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.relative_to(html)}: {link} has no such anchor")
    assert not broken, "\n".join(broken)


def test_pictures_say_what_they_show(html, pages):
    poor = []
    for path, page in pages.items():
        for source, alt in page.pictures:
            if len(alt or "") < 20 or EMPTY_WORDS.fullmatch(alt) or len(set(alt.split())) < 4:
                poor.append(f"{path.relative_to(html)}: {source} is described as {alt!r}")
    assert not poor, "\n".join(poor)


def test_nothing_is_loaded_from_elsewhere(html, pages):
    loads = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']+["'][^>]*>""")
    found = [
        f"{path.relative_to(html)}: {tag}"
        for path in pages
        for tag in loads.findall(path.read_text(encoding="utf8"))
        if 'rel="canonical"' not in tag
    ]
    assert not found, "\n".join(found)


@functools.cache
def committed() -> frozenset[str]:
    """Paths that git knows."""
    return frozenset(subprocess.run(["git", "ls-files"], cwd=common.ROOT, capture_output=True, text=True, check=True).stdout.split("\n"))


@pytest.mark.parametrize("stem", CHAPTERS)
def test_colab_opens_a_committed_notebook(stem, html, pages):
    if not (common.ROOT / ".git").exists():
        pytest.skip("needs the git repository: what is committed cannot be told without it")
    links = {link for link in pages[html / "chapters" / f"{stem}.html"].links if "colab.research.google.com" in link}
    _, branch = common.repository()
    assert links == {common.colab(stem)}
    for link in links:
        assert link.partition(f"/blob/{branch}/")[2] in committed(), f"{link} is not committed"


def test_shared_links_show_a_card(html, pages):
    for path in pages:
        text = path.read_text(encoding="utf8")
        if 'http-equiv="Refresh"' not in text and 'http-equiv="refresh"' not in text:
            assert 'property="og:image"' in text and 'property="og:title"' in text, path.name
    assert (html / "_static" / "card.png").is_file() and (html / "_static" / "favicon.svg").is_file()
