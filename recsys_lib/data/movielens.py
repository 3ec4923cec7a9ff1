"""MovieLens 1M and MovieLens 100K: films, ratings, people with age, gender and occupation; the smaller with a knowledge graph.

Both are read in RecBole's form (tab separated, ``column:type`` in the header), from inside wheels; terms in ``sources.yaml``.
One scene, ``films``. Any rating counts as a positive event: people rated what they had chosen to watch.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.data.log import CATEGORIES, DESCRIPTION, ITEM_ID, NAME, RATING, SCENE, TIMESTAMP, TITLE, USER_ID, InteractionLog, build_log
from recsys_lib.data.sources import fetch

SCENES = pd.DataFrame({NAME: ["films"], DESCRIPTION: ["Feature films of the twentieth century, from silent classics to the blockbusters and art-house releases of 2000, rated by viewers."]})
OCCUPATIONS = (
    "other", "educator", "artist", "clerical", "college student", "customer service", "doctor", "executive", "farmer", "homemaker", "K-12 student",
    "lawyer", "programmer", "retired", "sales", "scientist", "self-employed", "technician", "tradesman", "unemployed", "writer",
)  # fmt: skip
"""Names of MovieLens 1M's occupation numbers 0 … 20."""


def load(name: str = "movielens-1m") -> InteractionLog:
    """Load ``movielens-1m`` (6,040 people, 3,706 rated films, 1,000,209 ratings) or ``movielens-100k`` (943, 1,682, 100,000).

    Events carry ``rating`` (float32, 1 … 5), time in seconds, and ``place``, the row in the source's file (int32). Items carry ``title``
    with the year in brackets, ``categories`` (genres) and ``year``. Users carry ``age`` (1M: the lower end of an age band), ``gender`` and ``occupation``.
    ``movielens-100k`` has these extras:

    - ``triples``: ``head``, ``relation``, ``tail`` (int32 codes), 91,631 facts of Freebase about films, people, genres, …
    - ``entities``: index = entity code; ``key`` (Freebase id) and ``item`` (item code, -1 for what is no film of the set)
    - ``relations``: index = relation code; ``name``
    """
    folder = fetch(name)
    stem = "ml-1m" if name == "movielens-1m" else "ml-100k"
    events, items, users = (_read(folder / f"{stem}.{part}") for part in ("inter", "item", "user"))
    if stem == "ml-1m":  # people are "1m_<number>", films "Title (year)"
        events[USER_ID], users[USER_ID] = (frame[USER_ID].str.removeprefix("1m_") for frame in (events, users))
        users["occupation"] = np.array(OCCUPATIONS)[users["occupation"].astype(int)]
        items[TITLE] = items[ITEM_ID]
    else:
        events[ITEM_ID], items[ITEM_ID] = events[ITEM_ID].astype(int), items[ITEM_ID].astype(int)
        items[TITLE] = items["movie_title"] + " (" + items["release_year"] + ")"
    events = events.astype({USER_ID: int, RATING: np.float32, TIMESTAMP: np.int64}).assign(**{SCENE: "films", "place": np.arange(len(events), dtype=np.int32)})
    items = items[items[ITEM_ID].isin(events[ITEM_ID].unique())]
    genres = items["genre" if stem == "ml-1m" else "class"].str.replace(" ", ", ")
    items = pd.DataFrame({ITEM_ID: items[ITEM_ID], SCENE: "films", TITLE: items[TITLE], CATEGORIES: genres, "year": pd.to_numeric(items["release_year"], errors="coerce")})
    users = users[[USER_ID, "age", "gender", "occupation"]].astype({USER_ID: int, "age": int})
    log = build_log(events, items, SCENES, users, keep_user_ids=False, time_kind="second", name=name, positive="a film the person rated, whatever the rating")
    return log if stem == "ml-1m" else replace(log, extras=_graph(folder, log.items))


def _read(path: Path) -> pd.DataFrame:
    """A RecBole table with the types cut off its column names; every value as text."""
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE, encoding="utf-8")
    return frame.rename(columns=lambda column: column.split(":")[0])


def _graph(folder: Path, items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The knowledge graph in codes: triples, entities (with the film each one is), relations."""
    graph, link = _read(folder / "ml-100k.kg"), _read(folder / "ml-100k.link")
    relation, relation_names = pd.factorize(graph["relation_id"], sort=True)
    entity, entity_keys = pd.factorize(pd.concat([graph["head_id"], graph["tail_id"], link["entity_id"]]), sort=True)
    item = np.full(len(entity_keys), -1, np.int32)
    item[entity[2 * len(graph) :]] = pd.Index(items[ITEM_ID]).get_indexer(link[ITEM_ID].astype(int))
    codes = {"head": entity[: len(graph)], "relation": relation, "tail": entity[len(graph) : 2 * len(graph)]}
    return {
        "triples": pd.DataFrame(codes, dtype=np.int32),
        "entities": pd.DataFrame({"key": entity_keys, "item": item}),
        "relations": pd.DataFrame({NAME: relation_names}),
    }
