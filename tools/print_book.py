"""``make pdf``: the whole book as one PDF, ``_build/across-scenes.pdf``, from the same sources as the pages.

    python -m tools.print_book

The pages are rendered into one, from the cache of the last build where it holds, and Chromium prints that. Answers to questions and folded tables are open in
print; solutions of exercises stay closed, so that the PDF can be handed to a class.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import build_book, common

FOOT = '<div style="width:100%; text-align:center; font-size:8px; color:#666">Across Scenes · <span class="pageNumber"></span></div>'
OPEN = """() => { document.querySelectorAll('.quiz details, details.above-output').forEach(one => one.open = true);
  document.querySelectorAll('.exercise-hint.toggle-hidden').forEach(one => one.classList.remove('toggle-hidden')) }"""


def pdf(page: Path, target: Path) -> None:
    """Print one HTML file on A4, with bookmarks and tags for screen readers; written whole or not at all."""
    from playwright.sync_api import sync_playwright

    half = target.with_suffix(".part")
    with sync_playwright() as engine:
        browser = common.launch(engine)
        tab = browser.new_page(color_scheme="light")
        tab.goto(page.as_uri(), wait_until="load", timeout=120_000)
        tab.evaluate("window.MathJax?.startup?.promise?.then(() => true)")
        tab.evaluate(OPEN)
        tab.emulate_media(media="print")
        tab.evaluate("document.fonts.ready.then(() => true)")
        margin = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
        tab.pdf(path=half, format="A4", margin=margin, tagged=True, outline=True, display_header_footer=True, header_template="<span></span>", footer_template=FOOT)
        browser.close()
    half.replace(target)


def main() -> int:
    """Render and print; the exit status."""
    if common.chromium() is None:
        print(f"Printing needs Chromium: none of {', '.join(common.CHROMIUM)} was found. Install it, or name one: CHROMIUM=/path make pdf", file=sys.stderr)
        return 1
    if status := build_book.main(["--builder", "singlehtml"]):
        return status
    target = common.ROOT / "_build" / "across-scenes.pdf"
    pdf(common.ROOT / "_build" / "singlehtml" / "intro.html", target)
    print(f"The book is in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
