"""From SceneWorld's truth to the tables of a log: items with texts, impressions, clicks, reviews, knowledge, dirty records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recsys_lib.data.sceneworld_text import SEASONS, knowledge, lexicon, review_texts, scene_texts
from recsys_lib.data.sceneworld_truth import BOT_CLICK, Truth, stream

VERSION = "1"
START = 1_704_067_200  # 2024-01-01 00:00 UTC
YEAR = 366 * 86_400
LIVE = ("shopping", "music", "video", "news", "travel")
DESCRIBED = ("fitness", "education", "finance")


def scene_table(per_scene: int, k: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Scenes (name, description), their lexicon scene, items each, and what they may hold: bool [n_scenes, 24, 6].

    ``per_scene`` items a scene; with ``k`` > 1 each scene that has events is cut into k sub-scenes, by themes and forms.
    """
    words = lexicon()
    names, texts, parent, allowed = [], [], [], []
    for p, name in enumerate(LIVE + DESCRIBED):
        scene = words.scenes[name]
        turned = np.roll(np.arange(24).reshape(6, 4).T.ravel(), 5 * p)  # another grouping of the themes in each scene
        for j in range(k if p < len(LIVE) else 1):
            holds = np.ones((24, 6), bool)
            if k > 1 and p < len(LIVE):
                themes, forms = turned[(j // 2) * 6 : (j // 2) * 6 + 6], np.arange(3) + 3 * (j % 2)
                holds[:] = False
                holds[np.ix_(themes, forms)] = True
                listed = ", ".join(words.themes[t] for t in sorted(themes))
                texts.append(f"{scene.description} This corner holds each {', '.join(scene.forms[f] for f in forms)} about {listed}.")
                names.append(f"{name}-{j + 1}")
            else:
                names.append(name), texts.append(scene.description)
            parent.append(p), allowed.append(holds)
    sizes = np.where(np.array(parent) < len(LIVE), per_scene, min(per_scene, 500))
    return pd.DataFrame({"name": names, "description": texts}), np.array(parent), sizes, np.stack(allowed)


def numbered(prefix: str, n: int) -> pd.Series:
    return pd.Series(np.char.add(prefix, np.char.zfill(np.arange(n).astype(str), 7))).astype("str")


def items_of_scene(truth: Truth, s: int, name: str, knobs: dict[str, Any]) -> tuple[pd.DataFrame, pa.Array]:
    """The items table of one scene, and the phrase each item is about."""
    a, b = truth.first[s], truth.first[s + 1]
    words, here = lexicon().scenes[name.split("-")[0]], slice(a, b)
    titles, texts, phrase = scene_texts(
        name.split("-")[0], truth.theme[here], truth.level[here], truth.season[here], truth.form[here], truth.maker[here],
        knobs["overlap"], knobs["boilerplate"], stream(knobs["seed"], 4, s),
    )  # fmt: skip
    carried, copies = pa.array(truth.text_of[here] - a), truth.source[here] != np.arange(a, b)
    title = titles.take(carried).to_pandas()
    title = title.where(~copies, title.str.lower())  # a duplicate is listed under the same words, carelessly typed
    frame = pd.DataFrame({
        "scene": truth.scene[here], "item_id": (name + "-") + numbered("", b - a), "title": title, "description": texts.take(carried).to_pandas(),
        "form": pd.Categorical.from_codes(truth.form[here], words.forms).astype("str"),
        "maker": pd.Categorical.from_codes(truth.maker[here], words.makers).astype("str"),
        "born": START + np.floor(truth.born[here].astype(np.float64) * YEAR).astype(np.int64),
    })  # fmt: skip
    for scene in lexicon().scenes.values():
        for k, (attribute, levels) in enumerate(scene.attributes.items()):
            codes = truth.level[here, k] + 1 if scene is words else np.full(b - a, -1, np.int8)
            frame[attribute] = pd.Categorical.from_codes(codes, [level[0] for level in levels], ordered=True)
    frame["season"] = pd.Categorical.from_codes(truth.season[here], SEASONS)
    return frame, phrase


def happenings(truth: Truth, s: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Impressions and clicks of one scene, sorted by time."""
    rng = stream(seed, 5, s)
    u, i, t = truth.first_impressions(s, rng)
    utility = np.concatenate([truth.utility(u[c], i[c], t[c]) for c in _slices(len(u))])
    p = np.concatenate([truth.click(u[c], i[c], t[c]) for c in _slices(len(u))])
    click = rng.random(len(u)) < np.where(truth.bot[u], BOT_CLICK, p)
    shown = pd.DataFrame({
        "user": u.astype(np.int32), "item": i.astype(np.int32), "scene": np.full(len(u), s, np.int16),
        "time": START + np.floor(t.astype(np.float64) * YEAR).astype(np.int64),
        "propensity": np.concatenate([-np.expm1(-truth.intensity(u[c], i[c])) for c in _slices(len(u))]).astype(np.float32),
        "click": click,
    })  # fmt: skip
    events = shown.loc[click, ["user", "item", "scene", "time"]].reset_index(drop=True)
    joy = utility[click] + 0.7 * rng.standard_normal(len(events))
    events["rating"] = np.clip(np.rint(2.3 + 0.8 * joy), 1, 5).astype(np.int8)
    events["favourite"] = rng.random(len(events)) < 1 / (1 + np.exp(-1.5 * (joy - 3.0)))
    events["dwell"] = np.exp(3.4 + 0.5 * joy + 0.5 * rng.standard_normal(len(events))).astype(np.float32)
    return shown, events


def _slices(n: int, size: int = 500_000) -> list[slice]:
    return [slice(k, k + size) for k in range(0, max(n, 1), size)]


def dirty_records(truth: Truth) -> pd.DataFrame:
    """What is wrong with which record: kind, user, item, other (the item whose text or whole record it repeats); -1 where it does not apply."""
    own = np.arange(truth.n_items)
    wrong = np.flatnonzero((truth.text_of != own) & (truth.source == own))
    twice, bots = np.flatnonzero(truth.source != own), np.flatnonzero(truth.bot)
    none = np.full(truth.n_items + truth.n_users, -1)
    rows = [("wrong text", none[: len(wrong)], wrong, truth.text_of[wrong]), ("duplicate item", none[: len(twice)], twice, truth.source[twice]),
            ("bot", bots, none[: len(bots)], none[: len(bots)])]  # fmt: skip
    return pd.concat([pd.DataFrame({"kind": k, "user": u, "item": i, "other": o}) for k, u, i, o in rows], ignore_index=True).astype(
        {"kind": "category", "user": np.int32, "item": np.int32, "other": np.int32}
    )


def tables_in_memory(truth: Truth, scenes: pd.DataFrame, knobs: dict[str, Any]) -> dict[str, pd.DataFrame]:
    """Items, events, impressions, reviews, triples and entities of a world that fits into memory."""
    made = [items_of_scene(truth, s, name, knobs) for s, name in enumerate(scenes["name"])]
    items, phrase = pd.concat([m[0] for m in made], ignore_index=True), pa.concat_arrays([m[1] for m in made])
    seen = [happenings(truth, s, knobs["seed"]) for s in range(truth.n_live)]
    shown, events = (pd.concat([x[k] for x in seen], ignore_index=True) for k in (0, 1))
    events = events.sort_values(["time", "user", "item"], kind="stable", ignore_index=True)
    triples, entities = knowledge(items, truth.theme, phrase, truth.parent[truth.scene])
    return {"items": items, "events": events, "impressions": shown, "reviews": reviews(events, phrase, knobs["seed"]),
            "triples": triples, "entities": entities}  # fmt: skip


def reviews(events: pd.DataFrame, phrase: pa.Array, seed: int) -> pd.DataFrame:
    """A short review for about one click in twenty: user, item, scene, time, rating, text."""
    rng = stream(seed, 7)
    table = events.loc[rng.random(len(events)) < 0.05, ["user", "item", "scene", "time", "rating"]].reset_index(drop=True)
    words = phrase.take(pa.array(table["item"].to_numpy()))
    return table.assign(text=review_texts(words, table["rating"].to_numpy(), rng).to_pandas())
