"""SceneWorld's presets, the world on disk, and bad arguments."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from recsys_lib.data import sceneworld as sw
from recsys_lib.errors import BadData, RecsysError


@pytest.fixture(scope="module")
def tiny():
    return sw.make_world("tiny")


def test_click_presets_count_clicks_and_half_of_them_in_the_focal_scene():
    log = sw.make_world("shop-100k", users=2000, items=500, target=20_000).log
    assert abs(len(log.events) / 20_000 - 1) < 0.06
    assert 0.4 < (log.events["scene"] == 0).mean() < 0.6


def test_many_scenes_are_forty_with_their_own_descriptions():
    world = sw.make_world("many-scenes", users=400, items=40, target=30_000)
    log = world.log
    assert log.n_scenes == 43 and log.scenes["description"].is_unique and log.scenes["name"].is_unique
    assert (np.bincount(log.events["scene"], minlength=43)[:40] > 0).all()
    for s in (0, 9, 39):
        assert len(set(world.theme[log.scene_items(s)])) <= 6 and log.items.loc[log.scene_items(s), "form"].nunique() <= 3


def test_chunked_world_is_written_once_and_read_back(tmp_path):
    small = dict(preset="xl-10m", users=300, items=60, target=5000, cache=tmp_path)
    first = sw.make_world(**small)
    stamp = {f.name: f.stat().st_mtime_ns for f in first.folder.iterdir()}
    second = sw.make_world(**small)
    assert stamp == {f.name: f.stat().st_mtime_ns for f in second.folder.iterdir()} and len(stamp) == 5 * 3 + 3
    pd.testing.assert_frame_equal(first.log.events, second.log.events)
    shown = pd.concat(second.impressions())
    assert abs(len(shown) / 5000 - 1) < 0.1 and int(shown["click"].sum()) == len(second.log.events)
    in_memory = sw.make_world("tiny", users=300, items=60, target=5000)
    np.testing.assert_array_equal(in_memory.log.events["item"], second.log.events["item"])
    pd.testing.assert_series_equal(in_memory.log.items["title"], second.log.items["title"], check_dtype=False)
    assert [p.name for p in tmp_path.iterdir()] == [second.folder.name]


def test_a_world_of_a_few_clicks_has_no_review():
    log = sw.make_world("tiny", users=20, items=20, target=1).log
    assert log.n_items == 160 and log.extras["reviews"].empty


def test_a_cache_below_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = sw.make_world("xl-10m", users=60, items=40, target=500, cache="~/worlds").folder
    assert folder.parent == tmp_path / "worlds" and list(folder.iterdir())


def test_numpys_numbers_are_the_same_world(tmp_path):
    made = [sw.make_world("xl-10m", users=60, items=40, target=500, theme_share=share, cache=tmp_path).folder for share in (0.8, np.float64(0.8))]
    assert made[0] == made[1] and list(tmp_path.iterdir()) == [made[0]]


def test_chunks_on_a_full_disk_leave_nothing_behind(tmp_path, monkeypatch):
    from recsys_lib.data import sceneworld_chunks as chunks

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chunks, "happenings", full)
    with pytest.raises(RecsysError, match="the disk is full while writing .*xl-10m.*; free some space, or choose a folder"):
        sw.make_world("xl-10m", users=300, items=60, target=5000, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"theme_share": 1.2}, "theme_share is 1.2"),
        ({"overlap": 0.8}, "overlap is 0.8"),
        ({"boilerplate": -0.1}, "boilerplate is -0.1"),
        ({"users": 5}, "20 or more"),
    ],
)
def test_bad_arguments_get_one_clear_sentence(arguments, message):
    with pytest.raises(BadData, match=re.escape(message)):
        sw.make_world(**({"preset": "tiny"} | arguments))


def test_unknown_codes_are_refused(tiny):
    with pytest.raises(BadData, match="item code 800 is outside 0 … 799"):
        tiny.utility(0, 800)
    with pytest.raises(BadData, match="user code -1"):
        tiny.propensity(-1, 0)
