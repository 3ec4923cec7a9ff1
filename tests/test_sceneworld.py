"""SceneWorld keeps its promises: frozen, known shares, exact exposure, disjoint words, honest oracles."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from recsys_lib.data import load
from recsys_lib.data import sceneworld as sw
from recsys_lib.data.sceneworld_text import compose, lexicon
from recsys_lib.errors import BadData

STOP = set(
    "a about after an and any are around as at be because before beside between by for from if in into is it its last no not of off on one only or "
    "other out over own page past set than that the their then there this through to toward two under until up what when who with you your".split()
)


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


# --- words ----------------------------------------------------------------------------------------------------------


def stems(texts) -> set[str]:
    porter = pytest.importorskip("snowballstemmer", reason="Porter stems come with Sphinx").stemmer("porter")
    words = {w for text in texts for w in re.findall(r"[a-z0-9]+", text.lower())} - STOP
    return {porter.stemWord(w) for w in words} - {""}


def test_no_stem_of_a_theme_in_two_scenes():
    words = lexicon()
    assert len(words.themes) == 24 and len(words.scenes) == 8
    for theme in words.themes:
        own = {scene: stems(words.phrases[theme][scene]) for scene in words.scenes}
        for a, b in combinations(own, 2):
            assert not own[a] & own[b], (theme, a, b)
    makers = [set(s.makers) for s in words.scenes.values()]
    assert all(not a & b for a, b in combinations(makers, 2))


def shared_stems(world) -> float:
    """How alike the stems of one theme are across scenes beyond what other themes' stems share: mean Jaccard difference."""
    log, theme = world.log, world.theme
    texts = (log.items["title"] + " " + log.items["description"]).to_numpy()
    scene = log.items["scene"].to_numpy()
    bags = {(s, k): stems(texts[(scene == s) & (theme == k)]) for s in range(5) for k in range(24)}

    def alike(a: set, b: set) -> float:
        return len(a & b) / max(len(a | b), 1)

    same = [alike(bags[a, k], bags[b, k]) for a, b in combinations(range(5), 2) for k in range(24)]
    other = [alike(bags[a, k], bags[b, (k + 7) % 24]) for a, b in combinations(range(5), 2) for k in range(24)]
    return float(np.mean(same) - np.mean(other))


def test_overlap_is_a_knob():
    none, half = (shared_stems(sw.make_world("tiny", overlap=o, boilerplate=0.0, dirty=0)) for o in (0.0, 0.5))
    assert abs(none) < 0.005 and half > 0.03


def test_texts_have_the_stated_lengths_and_boilerplate_is_a_knob():
    lengths = {}
    for share in (0.0, 1.0):
        items = sw.make_world("tiny", boilerplate=share, items=400, target=1000).log.items
        titles, texts = items["title"].str.split().str.len(), items["description"].str.split().str.len()
        assert titles.between(4, 12).all() and texts.between(15, 40).all()
        assert not items["title"].str.contains("{", regex=False).any() and not items["description"].str.contains("{", regex=False).any()
        assert not items["description"].str.contains(r"\ba [aeiou]", regex=True).any()
        lengths[share] = texts.mean()
    assert lengths[1.0] > lengths[0.0] + 4
    everywhere = items.loc[items["scene"] == 0, "description"]
    assert everywhere.str.contains("|".join(map(re.escape, lexicon().scenes["shopping"].boilerplate))).mean() > 0.9


def test_texts_state_theme_and_attributes():
    world = sw.make_world("tiny", dirty=0)
    for i in range(0, 800, 37):
        row, words = world.log.items.iloc[i], lexicon()
        name = world.log.scenes["name"][row["scene"]]
        said = f"{row['title']} {row['description']}".lower()
        assert any(p.lower() in said for p in words.phrases[world.theme_names[world.theme[i]]][name])
        for k, levels in enumerate(words.scenes[name].attributes.values()):
            assert any(w in said for w in levels[world.truth.level[i, k] + 1]) or k == 1 or "from" in said


def test_compose_fills_row_by_row():
    import pyarrow as pa

    out = compose(["a {x} and {y}", "{y}!"], np.array([1, 0, 0]), {"x": pa.array(["p", "q", "owl"]), "y": pa.array(["s", "t", "u"])})
    assert out.to_pylist() == ["S!", "A q and t", "An owl and u"]


def test_knowledge_leads_from_item_to_theme_in_two_steps(tiny):
    triples, entities = tiny.log.extras["triples"], tiny.log.extras["entities"]
    n = tiny.log.n_items
    about = triples[triples["relation"] == "about"].set_index("head")["tail"]
    broader = triples[triples["relation"] == "broader"].set_index("head")["tail"]
    assert (broader.loc[about.loc[np.arange(n)]].to_numpy() - n == tiny.theme).all()
    assert entities["name"][n : n + 24].tolist() == list(tiny.theme_names) and triples[["head", "tail"]].max().max() < len(entities)


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


# --- presets and bad input -----------------------------------------------------------------------------------------------


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


def test_interrupted_chunks_leave_nothing_behind(tmp_path, monkeypatch):
    from recsys_lib.data import sceneworld_chunks as chunks

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chunks, "happenings", full)
    with pytest.raises(OSError, match="No space"):
        sw.make_world("xl-10m", users=300, items=60, target=5000, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"theme_share": 1.2}, "theme_share is 1.2"),
        ({"overlap": 0.8}, "overlap is 0.8"),
        ({"boilerplate": -0.1}, "boilerplate is -0.1"),
        ({"users": 5}, "at least 20 people"),
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
