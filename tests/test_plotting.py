"""Bars, histograms, and the slider that needs no kernel."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np

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
