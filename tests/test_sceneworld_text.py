"""SceneWorld's words: disjoint across scenes where promised, of the stated lengths, saying what they should."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from recsys_lib.data import sceneworld as sw
from recsys_lib.data.sceneworld_text import compose, lexicon

STOP = set(
    "a about after an and any are around as at be because before beside between by for from if in into is it its last no not of off on one only or "
    "other out over own page past set than that the their then there this through to toward two under until up what when who with you your".split()
)


@pytest.fixture(scope="module")
def tiny():
    return sw.make_world("tiny")


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
