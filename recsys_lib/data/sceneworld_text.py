"""SceneWorld's words: from the lexicon to titles, descriptions, reviews and knowledge-graph triples.

Everything is composed column by column with Arrow (dictionary lookups and joins), so half a million items take seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import yaml

SEASONS = ("spring", "summer", "autumn", "winter")
LONGEST = 40  # words of a description
SLOT = re.compile(r"\{(\w+)\}")


def _split(words: str) -> list[str]:
    return [w.strip() for w in words.split(";")]


@dataclass(frozen=True)
class SceneWords:
    """One scene of the lexicon.

    Attributes:
        description: the sentence that describes the scene.
        makers: 192 invented names of brands, artists, channels, papers, operators.
        forms: six formats.
        attributes: name → three lists of words, for the levels -1, 0, +1.
        titles, texts, boilerplate: sentence patterns with slots, and closing phrases.
    """

    description: str
    makers: list[str]
    forms: list[str]
    attributes: dict[str, list[list[str]]]
    titles: list[str]
    texts: list[str]
    boilerplate: list[str]


@dataclass(frozen=True)
class Lexicon:
    """The whole lexicon: ``scenes`` by name, ``themes`` in order, ``phrases[theme][scene or "shared"]``, ``reviews`` by rating."""

    scenes: dict[str, SceneWords]
    themes: tuple[str, ...]
    phrases: dict[str, dict[str, list[str]]]
    reviews: list[list[str]]


@cache
def lexicon() -> Lexicon:
    """The lexicon shipped with the library, parsed once."""
    raw = yaml.safe_load((files("recsys_lib.data") / "lexicon.yaml").read_text(encoding="utf-8"))
    scenes = {}
    for name, s in raw["scenes"].items():
        levels = {a: [_split(level) for level in values] for a, values in s["attributes"].items()}
        makers = [start + end for start in raw["name_starts"].split() for end in _split(s["name_ends"].replace(",", ";"))]
        scenes[name] = SceneWords(s["description"], makers, _split(s["forms"]), levels, s["titles"], s["texts"], _split(s["boilerplate"]))
    phrases = {theme: {scene: _split(words) for scene, words in d.items()} for theme, d in raw["themes"].items()}
    return Lexicon(scenes, tuple(phrases), phrases, raw["reviews"])


def compose(patterns: list[str], choice: np.ndarray, slots: dict[str, pa.Array]) -> pa.Array:
    """Fill patterns with slot values, row by row.

    Args:
        patterns: sentences with slots ``{name}``.
        choice: which pattern each row takes: int [n].
        slots: name → string array [n].

    Returns:
        string array [n], first letter upper case, "a" before a vowel turned into "an".
    """
    rows, texts = [], [pa.array([], pa.string())]
    for k, pattern in enumerate(patterns):
        at = np.flatnonzero(choice == k)
        rows.append(at)
        if not len(at):
            continue
        take = pa.array(at)
        pieces = [slots[p].take(take) if j % 2 else p for j, p in enumerate(SLOT.split(pattern)) if p]
        texts.append(pc.binary_join_element_wise(*pieces, ""))
    order = np.empty(len(choice), np.int64)
    order[np.concatenate(rows)] = np.arange(len(choice))
    out = pa.concat_arrays(texts).take(pa.array(order))
    out = pc.binary_join_element_wise(pc.utf8_upper(pc.utf8_slice_codeunits(out, 0, 1)), pc.utf8_slice_codeunits(out, 1), "")
    return pc.replace_substring_regex(out, r"\b([Aa]) ([aeiouAEIOU])", r"\1n \2")


def _pick_phrases(scene: str, theme: np.ndarray, overlap: float, rng: np.random.Generator) -> list[pa.Array]:
    """Four different phrases an item, each replaced by a shared word of its theme with probability ``overlap``."""
    words = lexicon()
    table, first, sizes, n = [], {}, {}, len(theme)
    for kind in (scene, "shared"):
        first[kind] = np.cumsum([0] + [len(words.phrases[t][kind]) for t in words.themes])[:-1] + len(table)
        sizes[kind] = np.array([len(words.phrases[t][kind]) for t in words.themes])
        table += [p for t in words.themes for p in words.phrases[t][kind]]
    codes = {}
    for kind in (scene, "shared"):
        luck = rng.random((n, sizes[kind].max()), dtype=np.float32)
        luck[np.arange(luck.shape[1]) >= sizes[kind][theme][:, None]] = 2
        codes[kind] = first[kind][theme][:, None] + luck.argsort(1, kind="stable")[:, :4]
    code = np.where(rng.random((n, 4), dtype=np.float32) < overlap, codes["shared"], codes[scene])
    lookup = pa.array(table)
    return [lookup.take(pa.array(code[:, k])) for k in range(4)]


def scene_texts(
    scene: str, theme: np.ndarray, level: np.ndarray, season: np.ndarray, form: np.ndarray, maker: np.ndarray,
    overlap: float, boilerplate: float, rng: np.random.Generator,
) -> tuple[pa.Array, pa.Array, pa.Array]:  # fmt: skip
    """Titles, descriptions and leading phrases of the items of one scene.

    Args:
        scene: name of one of the eight scenes of the lexicon.
        theme, season, form, maker: codes [n]; level: attribute levels -1, 0, 1 as int [n, 2].
        overlap: probability that a content phrase is one that all scenes share.
        boilerplate: probability of each of two stock phrases of the scene, one before and one behind (left out where the text would grow too long).
        rng: source of randomness.

    Returns:
        titles (4–12 words), descriptions (15–40 words), and the first content phrase: string arrays [n].
    """
    words, n = lexicon().scenes[scene], len(theme)
    n1, n2, n3, n4 = _pick_phrases(scene, theme, overlap, rng)
    slots = {"n1": n1, "n2": n2, "n3": n3, "n4": n4}
    for slot, k, levels in zip("ab", (0, 1), words.attributes.values(), strict=True):
        start = np.cumsum([0] + [len(level_words) for level_words in levels])
        code = level[:, k].astype(np.int64) + 1
        variant = (rng.random(n) * np.diff(start)[code]).astype(np.int64)
        slots[slot] = pa.array([w for level_words in levels for w in level_words]).take(pa.array(start[code] + variant))
    slots["f"] = pa.array(words.forms).take(pa.array(form.astype(np.int64)))
    slots["m"] = pa.array(words.makers).take(pa.array(maker.astype(np.int64)))
    slots["w"] = pa.array(SEASONS).take(pa.array(np.maximum(season, 0).astype(np.int64)))
    titles = compose(words.titles, rng.integers(0, len(words.titles), n), slots)
    texts = compose(words.texts, rng.integers(0, len(words.texts), n), slots)
    closing = np.array(words.boilerplate)
    first = rng.integers(0, len(closing), n)
    second = (first + rng.integers(1, len(closing), n)) % len(closing)
    for code, leads in ((first, True), (second, False)):
        length = pc.count_substring(texts, " ").to_numpy() + np.char.count(closing, " ")[code] + 2
        said = pa.array(np.where((rng.random(n) < boilerplate) & (length <= LONGEST), code + 1, 0))
        before, after = (pa.array(["", *(form.format(p) for p in closing)]).take(said) for form in (("{} ", "") if leads else ("", " {}")))
        texts = pc.binary_join_element_wise(before, texts, after, "")
    return titles, texts, n1


def review_texts(phrases: pa.Array, rating: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """One short review for each (phrase, rating 1 … 5): string array [n]."""
    patterns = [p for by_rating in lexicon().reviews for p in by_rating]
    per = len(lexicon().reviews[0])
    choice = (rating.astype(np.int64) - 1) * per + rng.integers(0, per, len(rating))
    return compose([p.replace("{n}", "{n1}") for p in patterns], choice, {"n1": phrases})


def knowledge(items: pd.DataFrame, theme: np.ndarray, phrase: pa.Array, parent: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A small knowledge graph: what an item is about, what that belongs to, who made it, in which form.

    Args:
        items: the items table (columns ``maker`` and ``form``, strings).
        theme, parent: theme and scene codes [n]; phrase: the leading phrase of each item [n].

    Returns:
        (triples, entities). Triples: ``head`` int32, ``relation`` category, ``tail`` int32, entity codes. Entities: ``name``, ``kind``;
        the codes 0 … n-1 are the items. ``about`` and ``broader`` lead from an item to its theme in two steps: the
        theme is one entity for all scenes.
    """
    n, themes = len(items), lexicon().themes
    keys = {
        "phrase": pd.Series(phrase.to_pandas()) + "|" + pd.Series(theme).astype(str),
        "maker": items["maker"].reset_index(drop=True),
        "form": items["form"].reset_index(drop=True),
    }
    frames, names, kinds = [], [items["item_id"].reset_index(drop=True), pd.Series(themes)], ["item"] * n + ["theme"] * len(themes)
    for kind, relation in (("phrase", "about"), ("maker", "made_by"), ("form", "has_form")):
        code, unique = pd.factorize(keys[kind], sort=True)
        unique = pd.Series(unique)
        if kind == "phrase":
            broader = unique.str.split("|").str[1].astype(int) + n
            frames.append(pd.DataFrame({"head": np.arange(len(unique)) + len(kinds), "relation": "broader", "tail": broader.to_numpy()}))
            unique = unique.str.split("|").str[0]
        frames.append(pd.DataFrame({"head": np.arange(n), "relation": relation, "tail": code + len(kinds)}))
        names.append(unique)
        kinds += [kind] * len(unique)
    triples = pd.concat(frames, ignore_index=True).astype({"head": np.int32, "tail": np.int32, "relation": "category"})
    return triples, pd.DataFrame({"name": pd.concat(names, ignore_index=True), "kind": pd.Categorical(kinds)})
