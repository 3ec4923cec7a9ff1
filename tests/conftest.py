"""Fixtures of all tests, and the mark ``needs``: a test of real data is skipped by name where the data cannot be reached."""

from __future__ import annotations

import os
import re

import pytest

from recsys_lib.data import load
from recsys_lib.data.sources import fetch
from recsys_lib.errors import SourceUnreachable

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
_REASON = "needs data that cannot be reached: "
_REACHED = pytest.StashKey[dict[str, bool]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*collections): registered sources the test reads; skipped by name where they cannot be reached")


@pytest.hookimpl(tryfirst=True)  # before any fixture loads the data
def pytest_runtest_setup(item: pytest.Item) -> None:
    reached = item.config.stash.setdefault(_REACHED, {})
    for collection in (name for mark in item.iter_markers("needs") for name in mark.args):
        if collection not in reached:  # one try a session, so a silent network costs two seconds once
            try:
                fetch(collection)
                reached[collection] = True
            except SourceUnreachable:
                reached[collection] = False
        if not reached[collection]:
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


@pytest.fixture(scope="session")
def amazon_fkb():
    """The Amazon food – kitchen – beauty log. Mark the test with ``@pytest.mark.needs("amazon-fkb")``."""
    return load("amazon-fkb")


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
