"""The pages beside the chapters that have code cells: they run, fetch nothing, and keep the chapters' rules for cells."""

from __future__ import annotations

import socket

import jupytext
import matplotlib.pyplot as plt
import pytest

from tools import common

PAGES = common.pages()
each_page = pytest.mark.parametrize("source", PAGES, ids=[path.stem for path in PAGES])


def test_the_pages_are_found():
    assert {"article_audited", "learner_guide"} <= {path.stem for path in PAGES}


@pytest.fixture
def figures_closed():
    """What a page draws is closed after it."""
    yield
    plt.close("all")


@each_page
@pytest.mark.usefixtures("figures_closed")
def test_a_page_runs_without_a_network(source, monkeypatch, capsys):
    def refuse(*_, **__):
        raise AssertionError(f"{source.name} asks the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.chdir(common.ROOT)
    names = {"__name__": "page", "display": print}
    for cell in jupytext.read(source, fmt="md:myst").cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30 and set(cell.metadata.get("tags", [])) <= common.CELL_TAGS - {"solution", "stub", "check"}
            exec(compile(cell.source, source.name, "exec"), names)
    assert "Recorded run" in capsys.readouterr().out
