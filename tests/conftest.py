"""Fixtures of all tests, and the mark ``needs``: a test of real data is skipped by name where the data cannot be reached."""

from __future__ import annotations

import os
import re

import pytest

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
_REASON = "needs data that cannot be reached: "


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*collections): registered sources the test reads; skipped by name where they cannot be reached")


@pytest.fixture(scope="session")
def _reached() -> dict[str, str]:
    """Collection → "" if it is in the cache now, else why not. One try a session, so a silent network costs two seconds once."""
    return {}


@pytest.fixture(autouse=True)
def _skip_without_data(request: pytest.FixtureRequest, _reached: dict[str, str]) -> None:
    marks = list(request.node.iter_markers("needs"))
    for collection in (name for mark in marks for name in mark.args):
        from recsys_lib.data.sources import fetch
        from recsys_lib.errors import SourceUnreachable

        if collection not in _reached:
            try:
                fetch(collection)
                _reached[collection] = ""
            except SourceUnreachable as problem:
                _reached[collection] = str(problem)
        if _reached[collection]:
            pytest.skip(f"{_REASON}{collection}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count and name the tests that were skipped for want of data."""
    missing: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if found := re.search(re.escape(_REASON) + r"(\S+)", text):
            missing.setdefault(found[1], []).append(report.nodeid)
    if not missing:
        return
    terminalreporter.section(f"{sum(map(len, missing.values()))} tests skipped because their data cannot be reached", yellow=True)
    for collection, tests in sorted(missing.items()):
        terminalreporter.write_line(f"{collection}: {len(tests)}")
        for test in tests:
            terminalreporter.write_line(f"  {test}")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """An empty cache of the test's own, and no mirror. Returns the cache folder (not made yet)."""
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RECSYS_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def offline(empty_cache, monkeypatch):
    """As ``empty_cache``, and every look at the network is refused."""
    monkeypatch.setenv("RECSYS_OFFLINE", "1")
    return empty_cache
