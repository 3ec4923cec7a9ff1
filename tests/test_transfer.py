"""Across scenes: cells of the transfer matrix by hand, no leak on opening day, crossings, the truth as a judge, the switch."""

from __future__ import annotations

import numpy as np
import pytest

from recsys_lib.data import held_out_scene, temporal_split
from recsys_lib.data.sceneworld import make_world
from recsys_lib.errors import BadData, NotFitted
from recsys_lib.evaluation import compare, judge, over_seeds
from recsys_lib.language import unit
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.textknn import TextKNN
from recsys_lib.scenes import among_neighbours
from recsys_lib.transfer import Switch, asked, crossing, described, few_shot, judge_truth, judged, restricted, transfer_matrix, verdict


@pytest.fixture(scope="module")
def world():
    return make_world("tiny", theme_share=0.8)


@pytest.fixture(scope="module")
def split(world):
    return temporal_split(world.log)


@pytest.fixture(scope="module")
def vectors(world):
    """What a perfect reader would see: the theme, and some noise."""
    noise = np.random.default_rng(0).standard_normal((world.log.n_items, 24))
    return (np.eye(24)[world.theme] + 0.1 * noise).astype(np.float32)


def test_a_cell_is_the_pair_minus_the_target_alone(split, vectors):
    table = transfer_matrix(lambda seed: TextKNN(vectors), split)
    names = split.log.scenes.name.tolist()
    assert len(table[["source", "target"]].drop_duplicates()) == 20 and not (table.source == table.target).any()
    assert set(table.verdict) <= {"gain", "negative transfer", "not told apart"}
    row = table[(table.source == "music") & (table.target == "travel") & (table.person == "withheld")].iloc[0]
    music, travel = names.index("music"), names.index("travel")
    there = asked(split, (split.pairs.scene == travel).to_numpy())
    both, alone = (judge(TextKNN(vectors).fit(restricted(split.train, group), split.until), there) for group in ((music, travel), (travel,)))
    gap = compare(both, alone, "ndcg10", "withheld", "all")
    assert row.difference == gap["difference"] and row.low == gap["low"] and row.n == gap["n"]
    assert row.alone == alone.value(person="withheld", item="all") and row.verdict == verdict(row.low, row.high)
    assert row.difference > 0  # their past in travel is withheld: alone, nothing is known of them


def test_negative_transfer_is_called_by_its_name(split):
    class Confused:
        """Knows the answers in a scene it was trained on alone, and is turned round by any second one."""

        def fit(self, log, until):
            self.log, self.alone = log, log.events.scene.nunique() == 1
            return self

        def score(self, users, scene, history=None):
            items, out = self.log.scene_items(scene), []
            for u in users:
                k = np.flatnonzero((split.pairs.user == u) & (split.pairs.scene == scene))[0]
                out.append(np.isin(items, split.positives[k]) * (1.0 if self.alone else -1.0))
            return np.array(out)

    table = transfer_matrix(lambda seed: Confused(), split)
    assert (table[table.person == "known"].verdict == "negative transfer").all()


def test_few_shots_ask_the_same_and_show_only_the_latest_of_the_past(world):
    log, base = world.log, held_out_scene(world.log, "music")
    splits = few_shot(log, "music", (0, 5, 60))
    code = log.scene_code("music")
    here = log.events[(log.events.scene == code) & (log.events.time < base.until)]
    for n, s in splits.items():
        assert s.pairs.equals(base.pairs) and all(map(np.array_equal, s.positives, base.positives)) and s.until == base.until
        shown = s.train.events[s.train.events.scene == code]
        assert len(shown) == n and (shown.time < base.until).all()
        assert set(zip(shown.user, shown.item, strict=True)) == set(zip(*(here[c].tail(n) for c in ("user", "item")), strict=True))
        rest = s.train.events[s.train.events.scene != code].reset_index(drop=True)
        assert rest.equals(base.train.events.reset_index(drop=True)) and s.train.events.time.is_monotonic_increasing
    with pytest.raises(BadData, match="music has .* events before T"):
        few_shot(log, "music", (0, len(here) + 1))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ([0.2, 0.2, 0.2], [0.0, 0.1, 0.3], np.sqrt(10 * 100) - 1),
        ([0.2, 0.2, 0.2], [0.0, 0.2, 0.3], 9),  # level at 9, ahead from there
        ([0.2, 0.2, 0.2], [0.3, 0.1, 0.3], np.sqrt(10 * 100) - 1),  # an early lead does not count
        ([0.2, 0.2, 0.2], [0.3, 0.3, 0.3], 0),
        ([0.2, 0.2, 0.2], [0.3, 0.3, 0.1], np.inf),
        ([0.2, 0.2, 0.2], [0.1, 0.1, 0.2], np.inf),
    ],
)
def test_crossing_is_for_good(first, second, wanted):
    assert crossing((0, 9, 99), first, second) == pytest.approx(wanted)


def test_the_truth_judges_where_nobody_has_been(world, split, vectors):
    asks = described(split, "fitness")
    assert set(asks.pairs.user) == set(split.train.events.user) and not any(len(p) for p in asks.positives)
    models = {"best": world.oracle("interventional"), "fair": world.oracle("text-only"), "texts": TextKNN(vectors), "blind": Popularity()}
    j = {n: judge_truth(m.fit(split.train, split.until), asks, world, n) for n, m in models.items()}
    worth = {n: one.value("clicks", "arrival", "all") for n, one in j.items()}
    assert worth["best"] > worth["fair"] > worth["texts"] > worth["blind"] > 0
    assert compare(j["fair"], j["blind"], "clicks", "arrival", "all")["low"] > 0
    assert not world.truth.bot[j["best"].pairs.user].any()
    assert (world.log.items.scene.to_numpy()[j["fair"].lists] == world.log.scene_code("fitness")).all()
    by_hand = world.click_probability(j["texts"].pairs.user.to_numpy()[:5, None], j["texts"].lists[:5]).mean(1)
    np.testing.assert_allclose(j["texts"].pairs.clicks[:5], by_hand)


def test_the_truth_judge_shows_nobody_what_they_have(world, split):
    j = judge_truth(Popularity().fit(split.train, split.until), split, world)
    seen = set(zip(split.train.events.user, split.train.events.item, strict=True))
    assert not any((u, i) in seen for u, row in zip(j.pairs.user, j.lists, strict=True) for i in row)
    np.testing.assert_allclose(over_seeds([j, j]).pairs.clicks, j.pairs.clicks)


def test_judged_averages_over_seeds(split):
    class Loud:
        def __init__(self, seed):
            self.seed = seed

        def fit(self, log, until):
            self.log = log
            return self

        def score(self, users, scene, history=None):
            return np.tile(np.random.default_rng(self.seed).random(len(self.log.scene_items(scene))), (len(users), 1))

    two = judged(Loud, split, (0, 1), "noise")
    one = [judge(Loud(seed).fit(split.train, split.until), split) for seed in (0, 1)]
    np.testing.assert_allclose(two.pairs.ndcg10, (one[0].pairs.ndcg10 + one[1].pairs.ndcg10) / 2)
    assert two.name == "noise"


def test_the_switch_serves_each_scene_by_its_events(split, vectors):
    counts = np.bincount(split.train.events.scene, minlength=split.log.n_scenes)
    switch = Switch(TextKNN(vectors), ItemKNN(), enough=sorted(counts)[-2] + 1).fit(split.train, split.until)
    for scene in range(split.log.n_scenes):
        inside = switch.grown if counts[scene] == counts.max() else switch.young
        np.testing.assert_array_equal(switch.score(np.arange(9), scene), inside.score(np.arange(9), scene))


def test_scenes_may_be_named_and_what_is_none_is_refused(split, vectors):
    music = split.log.scene_code("music")
    assert restricted(split.train, ["music"]).events.equals(restricted(split.train, [music]).events) and len(restricted(split.train, ["music"]).events)
    with pytest.raises(BadData, match="no scene 77"):
        restricted(split.train, [77])
    with pytest.raises(BadData, match="shots are"):
        few_shot(split.log, "music", (0, -5))
    with pytest.raises(NotFitted, match="Switch is not fitted"):
        Switch(Popularity(), ItemKNN(), 3).score(np.array([0]), 0)
    switch = Switch(Popularity(), ItemKNN(), 3).fit(split.train, split.until)
    np.testing.assert_array_equal(switch.score(np.arange(3), "music"), switch.score(np.arange(3), music))
    for k, scene in ((0, np.zeros(len(vectors), int)), (3, np.zeros(2, int))):
        with pytest.raises(BadData, match="one scene for each vector"):
            among_neighbours(vectors, scene, k=k)


def test_neighbours_of_the_own_scene_bring_out_the_theme():
    scene, theme = np.repeat([0, 1, 2], 200), np.arange(600) % 5
    right = np.eye(24)[theme]
    noisy = right + 0.3 * np.random.default_rng(1).standard_normal(right.shape)
    got = among_neighbours(noisy, scene)
    assert (got * right).sum(1).mean() > (unit(noisy) * right).sum(1).mean() + 0.15
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    one = scene == 2
    np.testing.assert_allclose(got[one], among_neighbours(noisy[one], scene[one]), atol=1e-6)  # other scenes do not matter
    np.testing.assert_allclose(among_neighbours(noisy, scene, rounds=0), unit(noisy), atol=1e-6)
    x = unit(noisy[one])
    by_hand = unit(np.stack([x[np.argsort(-(x @ row))[:4]].mean(0) for row in x]))
    np.testing.assert_allclose(among_neighbours(noisy, scene, k=4, rounds=1)[one], by_hand, atol=1e-5)
    assert among_neighbours(noisy[:3], scene[:3], k=10).shape == (3, 24)
