"""SceneWorld keeps its promises: frozen, known shares, exact exposure, disjoint words, honest oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys_lib.data import load
from recsys_lib.data import sceneworld as sw
from recsys_lib.errors import BadData


@pytest.fixture(scope="module")
def tiny():
    return sw.make_world("tiny")


@pytest.fixture(scope="module", params=[0.8, 0.2])
def world(request):
    return sw.make_world("default", theme_share=request.param, users=3000, items=300, target=150_000)


def cut(log, share=0.8):
    return int(np.quantile(log.events["time"], share, method="lower"))


def test_reference_draw_is_frozen(tiny):
    assert sw.VERSION == "1"
    assert sw.checksum(tiny) == sw.CHECKSUM


def test_same_arguments_same_world_other_seed_other_world(tiny):
    again, other = sw.make_world("tiny"), sw.make_world("tiny", seed=8)
    pd.testing.assert_frame_equal(again.log.events, tiny.log.events)
    pd.testing.assert_frame_equal(again.log.items, tiny.log.items)
    assert sw.checksum(other) != sw.CHECKSUM
    pd.testing.assert_frame_equal(load("sceneworld", preset="tiny").events, tiny.log.events)


def test_shape_of_the_log(tiny):
    log = tiny.log
    assert log.scenes["name"].tolist() == [*sw.LIVE, *sw.DESCRIBED]
    assert (log.n_users, log.time_kind, log.positive) == (500, "second", "a click")
    per_scene = np.bincount(log.events["scene"], minlength=8)
    assert (per_scene[:5] > 0).all() and (per_scene[5:] == 0).all()
    assert all(len(log.scene_items(s)) == 100 for s in range(8))
    assert log.events["rating"].between(1, 5).all() and (log.events["dwell"] > 0).all() and log.events["favourite"].dtype == bool
    order = log.events[["time", "user", "item"]]
    assert order.equals(order.sort_values(["time", "user", "item"], ignore_index=True))
    assert not log.events.duplicated(["user", "item"]).any()
    assert (
        log.users["user_id"].is_monotonic_increasing
        and log.items.groupby("scene")["item_id"].apply(lambda x: x.is_monotonic_increasing).all()
    )
    assert log.items.loc[log.items["scene"] == 0, "price"].notna().all() and log.items.loc[log.items["scene"] == 1, "price"].isna().all()
    shown = log.extras["impressions"]
    assert int(shown["click"].sum()) == len(log.events)
    assert set(log.extras) == {"impressions", "reviews", "triples", "entities", "dirty"}
    assert log.extras["reviews"]["text"].str.len().min() > 5


def test_variance_shares_hold_in_every_scene(world):
    truth, log, rng = world.truth, world.log, np.random.default_rng(0)
    left = 1 - truth.theme_share
    for s in range(log.n_scenes):
        items = rng.choice(log.scene_items(s), 60_000)
        users, early = rng.integers(0, log.n_users, len(items)), np.maximum(truth.born[items], 0)
        parts = np.stack(truth.parts(users, items, early + (1 - early) * rng.random(len(items))))
        shares = np.array([parts[0].var(), parts[1].var(), parts[2:5].sum(0).var(), parts[5].var(), parts[6].var()]) / parts.sum(0).var()
        np.testing.assert_allclose(shares, [truth.theme_share, 0.4 * left, 0.15 * left, 0.2 * left, 0.25 * left], atol=0.03)
        assert abs(parts.sum(0).var() - 1) < 0.06 and abs(parts.sum(0).mean()) < 0.05


def test_attribution_sums_to_utility_exactly(tiny):
    for item in (3, 150, 450, 700):
        why = tiny.attribution(17, item)
        assert sum(why.values()) == tiny.utility(17, item)
        assert {"theme", "hidden taste", "quality", "popularity"} < set(why)
    assert "price" in tiny.attribution(0, 0) and "season" in tiny.attribution(0, 450) and "season" not in tiny.attribution(0, 0)
    assert tiny.utility(np.arange(4)[:, None], np.arange(7)).shape == (4, 7)


def test_click_rate_new_items_and_kinds_of_people(world):
    log = world.log
    shown = log.extras["impressions"]
    assert abs(len(shown) / 150_000 - 1) < 0.03
    assert 0.13 < shown["click"].mean() < 0.25
    t = cut(log)
    train, test = log.events[log.events["time"] < t], log.events[log.events["time"] >= t]
    assert 0.08 < (~test["item"].isin(train["item"])).mean() < 0.30
    pairs = test[["user", "scene"]].drop_duplicates()
    here = pd.MultiIndex.from_frame(pairs).isin(pd.MultiIndex.from_frame(train[["user", "scene"]].drop_duplicates()))
    known_at_all = pairs["user"].isin(train["user"]).to_numpy()
    assert min(here.sum(), (~here & known_at_all).sum(), (~known_at_all).sum()) > 50
    elsewhere = train.groupby("user").size()
    assert (elsewhere >= 3).sum() > 500  # enough people to withhold a scene from


@pytest.mark.parametrize("scene", [0, 3])
def test_propensity_is_the_share_of_pairs_shown(world, scene):
    items = world.log.scene_items(scene)
    p = world.propensity(np.arange(world.log.n_users)[:, None], items)
    table = world.log.extras["impressions"]
    table = table[table["scene"] == scene]
    shown = np.zeros(p.shape)
    shown[table["user"], table["item"] - items[0]] = 1
    np.testing.assert_allclose(table["propensity"], p[table["user"], table["item"] - items[0]], rtol=1e-4, atol=1e-6)
    edges = np.quantile(p, [0, 0.5, 0.8, 0.9, 0.99, 0.999, 1])
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        block = (p >= low) & (p <= high)
        assert abs(shown[block].sum() - p[block].sum()) < 4.5 * np.sqrt((p[block] * (1 - p[block])).sum()) + 1
    # independent pairs: the number of items shown to a person varies exactly as a sum of independent coins does
    z = (shown.sum(1) - p.sum(1)) / np.sqrt((p * (1 - p)).sum(1) + 1e-9)
    assert 0.9 < z[p.sum(1) > 3].std() < 1.1


def test_windows_of_time_multiply(tiny):
    users, items = np.arange(200) % 500, (np.arange(200) * 7) % 500
    middle = sw.START + sw.YEAR // 3
    not_shown = (1 - tiny.propensity(users, items, until=middle)) * (1 - tiny.propensity(users, items, since=middle))
    np.testing.assert_allclose(not_shown, 1 - tiny.propensity(users, items), rtol=1e-6)
    assert (tiny.propensity(users, items + 300)[items + 300 >= 500] == 0).all()  # scenes without events show nothing


def test_nothing_is_shown_before_its_birth(world):
    shown = world.log.extras["impressions"]
    assert (shown["time"].to_numpy() >= world.log.items["born"].to_numpy()[shown["item"]] - 1).all()
    assert shown["time"].between(sw.START, sw.START + sw.YEAR - 1).all()
    born = world.log.items["born"].to_numpy()
    assert 0.2 < (born > sw.START).mean() < 0.6


def test_dirty_records_are_what_the_table_says(world):
    log, dirty = world.log, world.log.extras["dirty"]
    wrong, twice, bots = (dirty[dirty["kind"] == k] for k in ("wrong text", "duplicate item", "bot"))
    assert min(len(wrong), len(twice), len(bots)) > 5
    title = log.items["title"].to_numpy()
    assert (title[wrong["item"]] == title[wrong["other"]]).all()
    assert (title[twice["item"]] == np.char.lower(title[twice["other"]].astype(str))).all()
    assert (world.theme[twice["item"]] == world.theme[twice["other"]]).all()
    assert (log.items["scene"].to_numpy()[wrong["item"]] == log.items["scene"].to_numpy()[wrong["other"]]).all()
    shown = log.extras["impressions"]
    by_bot = shown["user"].isin(bots["user"])
    assert shown.loc[by_bot, "click"].mean() > 0.8 > 0.3 > shown.loc[~by_bot, "click"].mean()
    assert log.events["user"].isin(bots["user"]).mean() < 0.08
    assert sw.make_world("tiny", dirty=0).log.extras["dirty"].empty


# --- pictures and sound ------------------------------------------------------------------------------------------------


def test_covers_and_sounds_do_not_depend_on_the_batch(tiny):
    covers, sounds = tiny.cover(np.arange(20)), tiny.sound(np.arange(20))
    assert covers.shape == (20, 32, 32, 3) and covers.dtype == np.uint8 and sounds.shape == (20, 16) and sounds.dtype == np.float32
    np.testing.assert_array_equal(tiny.cover([7]), covers[7:8])
    np.testing.assert_array_equal(tiny.sound([7]), sounds[7:8])
    items = np.arange(800)
    x = np.column_stack([tiny.sound(items), np.ones(800)])
    for factor, low, high in ((0, 0.3, 0.95), (6, -1, 0.1)):  # shared taste shows, a scene's own does not
        y = tiny.truth.factors[:, factor]
        rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
        assert low < 1 - rest.var() / y.var() < high


# --- oracles -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(world):
    """For each oracle: mean AUC of test clicks and mean true P(click) of its ten best, over pairs of shopping."""
    log, t = world.log, cut(world.log)
    train, late = log.before(t), log.events[(log.events["time"] >= t) & (log.events["scene"] == 0)]
    users, items = late["user"].unique()[:250], log.scene_items(0)
    seen = train.matrix()[users][:, items].toarray() > 0
    hit = np.zeros(seen.shape, bool)
    row = {u: k for k, u in enumerate(users)}
    keep = late["user"].isin(users)
    hit[late.loc[keep, "user"].map(row), late.loc[keep, "item"] - items[0]] = True
    truth = world.oracle("interventional").fit(train).score(users, 0)
    result = {}
    for kind in ("logged", "interventional", "text-only"):
        score = world.oracle(kind).fit(train).score(users, 0)
        assert score.dtype == np.float32 and score.shape == (len(users), len(items)) and np.isfinite(score).all()
        auc = [np.mean(s[h][:, None] > s[~h & ~k]) for s, h, k in zip(score, hit, seen, strict=True)]
        best = np.argsort(np.where(seen, -np.inf, -score * -1), axis=1)[:, -10:]
        result[kind] = np.mean(auc), np.take_along_axis(truth, best, 1).mean()
    return result


def test_each_oracle_is_best_at_its_own_task(judged):
    assert judged["logged"][0] > judged["interventional"][0] > judged["text-only"][0] > 0.6
    assert judged["interventional"][1] > max(judged["logged"][1], judged["text-only"][1])


def test_oracles_refuse_whom_they_do_not_know(world):
    for kind in ("logged", "interventional", "text-only"):
        oracle = world.oracle(kind).fit(world.log)
        with pytest.raises(BadData, match=f"user code {world.log.n_users} is unknown"):
            oracle.score(np.array([0, world.log.n_users]), 0)
        with pytest.raises(BadData, match="no scene 99"):
            oracle.score(np.array([0]), 99)


def test_text_only_posterior_is_calibrated(world):
    oracle = world.oracle("text-only").fit(world.log, until=sw.START + int(0.8 * sw.YEAR))
    interest, liking = oracle._known
    truth, human, m = world.truth, ~world.truth.bot, oracle.middle
    real = (truth.interest[0] * (1 - m) + truth.interest[1] * m)[human].ravel()
    expected = interest[human].ravel()
    assert 0.85 < np.polyfit(expected, real, 1)[0] < 1.15 and abs(expected.mean() - real.mean()) < 0.03
    assert np.corrcoef(expected, real)[0, 1] > (0.55 if truth.theme_share == 0.8 else 0.35)
    slope = np.polyfit(liking[human, :5].ravel(), truth.preference[human, :5].ravel(), 1)[0]
    assert 0.75 < slope < 1.25


def test_text_only_oracle_uses_no_secret_and_no_future(world):
    t = cut(world.log)
    users = world.log.events["user"].unique()[:60]
    before = world.oracle("text-only").fit(world.log, until=t).score(users, 2)
    np.testing.assert_array_equal(before, world.oracle("text-only").fit(world.log.before(t), until=t).score(users, 2))
    truth, kept = world.truth, {}
    for name in (
        "taste",
        "taste_in",
        "factors",
        "quality",
        "base",
        "height",
        "centre",
        "activity",
        "start",
        "preference",
        "interest",
        "born",
    ):
        kept[name] = getattr(truth, name)
        setattr(truth, name, np.zeros_like(kept[name]))
    try:
        np.testing.assert_allclose(world.oracle("text-only").fit(world.log, until=t).score(users, 2), before, atol=1e-6)
    finally:
        for name, value in kept.items():
            setattr(truth, name, value)


def test_text_only_oracle_takes_another_history(world):
    t = cut(world.log)
    oracle = world.oracle("text-only").fit(world.log, until=t)
    users = world.log.events["user"].unique()[[5, 3, 9]]
    np.testing.assert_allclose(oracle.score(users, 1, history=world.log.before(t)), oracle.score(users, 1), atol=1e-6)
    empty = oracle.score(users, 1, history=world.log.before(sw.START))
    np.testing.assert_allclose(empty[0], empty[2], atol=1e-6)  # strangers are all alike
    assert oracle.score(users, 6).shape == (3, len(world.log.scene_items(6)))  # a scene with no events


def test_oracle_refuses_another_world(tiny, world):
    with pytest.raises(BadData, match="not of this world"):
        tiny.oracle("logged").fit(world.log)
    with pytest.raises(BadData, match="no oracle"):
        tiny.oracle("perfect")
