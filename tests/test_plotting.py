"""Bars, histograms, and the slider that needs no kernel."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from recsys_lib import plotting


def test_no_bar_and_no_value_is_left_out():
    both = plotting.bars_with_intervals({"a": {"x": (1, 0, 2)}, "b": {"x": (1, 0, 2), "y": (3, 2, 4)}})
    assert [label.get_text() for label in both.get_yticklabels()] == ["x", "y"]
    for values, log in (([5, 5, 5], ""), ([1, np.nan, 3], ""), ([0, 1, 10], "x")):
        outline = plotting.histogram(values, log=log).patches[0].get_path().vertices
        assert np.isfinite(outline).all() and np.ptp(outline[:, 0]) > 0.5 and outline[:, 1].max() >= 1
    plt.close("all")


def test_a_slider_shows_one_picture_and_says_what_each_shows():
    frames = {value: plotting.lines([0, 1], {"a": [0, len(value) + height]}).figure for height, value in enumerate(("1", "2", "<3"))}
    html = plotting.slider(frames, "Move a & b:", {value: f"a line that rises to {value}" for value in frames}, start="2").data
    images = re.findall(r"<img [^>]*>", html)
    assert ["display:none" in image for image in images] == [True, False, True]
    assert [re.search(r'alt="([^"]*)"', image)[1] for image in images] == [f"a line that rises to {v}" for v in ("1", "2", "&lt;3")]
    assert len({re.search(r"base64,([^\"]+)", image)[1] for image in images}) == 3
    assert 'max="2" value="1" aria-valuetext="2"' in html and "Move a &amp; b:" in html
    assert not plt.get_fignums()


@pytest.fixture(autouse=True)
def closed():
    """No figure is left open."""
    yield
    plt.close("all")


def test_bars_stand_in_order_with_their_own_intervals():
    ax = plotting.bars_with_intervals({"one": {"a": (1, 0.5, 2), "b": (3, 2, 3.5)}, "two": {"b": (4, 4, 5)}}, x="NDCG@10")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"] and ax.yaxis_inverted()  # the first row on top
    assert [[bar.get_width() for bar in bars][-1] for bars in ax.containers[::2]] == [3, 4]
    ends = [lines.get_segments() for bars in ax.containers[1::2] for lines in bars[2]]
    assert [segment[:, 0].tolist() for segment in ends[0]] == [[0.5, 2], [2, 3.5]] and ends[1][-1][:, 0].tolist() == [4, 5]
    assert ax.get_xlabel() == "NDCG@10" and [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


@pytest.mark.parametrize(("low", "drawn"), [(-0.1, True), (0.5, False)])
def test_a_line_stands_at_zero_where_an_interval_reaches_below_it(low, drawn):
    ax = plotting.bars_with_intervals({"a": (1, low, 2), "b": (3, 2, 4)})
    assert any(np.array_equal(line.get_xdata(), [0, 0]) for line in ax.lines) == drawn


def test_lines_and_histograms_hold_what_they_were_given():
    ax = plotting.lines([1, 10], {"a": [1, 2], "b": [3, 4]}, bands={"b": ([2, 3], [4, 5])}, log="x")
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 2], [3, 4]] and len(ax.collections) == 1
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear") and len({line.get_marker() for line in ax.lines}) == 2
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10"] and not len(ax.xaxis.get_minorticklocs())
    ax = plotting.histogram([1, 1, 10, 100], bins=2, log="x")
    assert set(ax.patches[0].get_xy()[:, 1]) == {0, 2} and ax.get_xscale() == "log"  # even in the logarithm: two below 10, two from there on
