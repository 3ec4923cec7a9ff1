"""The built book on a server of its own, and one Chromium a worker. Both are skipped by name where they are not there."""

from __future__ import annotations

import functools
import http.server
import importlib.resources
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import common

HTML = common.ROOT / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        """No log."""


@pytest.fixture(scope="session")
def html() -> Path:
    """Folder of the built book."""
    if not (HTML / "index.html").is_file():
        pytest.skip("needs the built book: run `make book`")
    return HTML


@pytest.fixture(scope="session")
def address(html: Path) -> Iterator[str]:
    """Where the book is served, for instance http://127.0.0.1:41234."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(html)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium. ``CHROMIUM`` names one that is not on the path."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if common.chromium() is None:
        pytest.skip("needs Chromium: none of " + ", ".join(common.CHROMIUM) + " was found; apt-get install chromium, or set CHROMIUM")
    with playwright.sync_playwright() as engine:
        browser = common.launch(engine)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core (MPL 2.0), as the pinned package axe-playwright-python (MIT) carries it."""
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    return (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf8")


@pytest.fixture
def visit(chromium, address: str):
    """``visit(page, width, scheme) -> (page, problems)``: opened in a fresh profile that reaches the book's own server and nothing else."""
    contexts = []

    def go(name: str, width: int = 390, scheme: str = "light"):
        context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
        context.set_default_timeout(60_000)
        contexts.append(context)
        problems: list[str] = []

        def gate(route) -> None:
            if route.request.url.startswith((address, "data:", "blob:")):
                route.continue_()
            else:
                problems.append(f"asks elsewhere: {route.request.url}")
                route.abort()

        context.route("**/*", gate)
        page = context.new_page()
        page.on(
            "console", lambda message: problems.append(f"console: {message.text} {message.location}") if message.type == "error" else None
        )
        page.on("pageerror", lambda error: problems.append(f"script: {error}"))
        page.goto(f"{address}/{name}", wait_until="load")
        page.evaluate("window.MathJax?.startup?.promise?.then(() => true)")  # the formulas are set
        return page, problems

    yield go
    for context in contexts:
        context.close()
