"""Bing News, the sample published with DKN: which titles a person was shown, and which of them were clicked.

No times are given, only the source's own cut into training and test. Titles are lower case with stop words removed.
Terms and citation: ``sources.yaml``.
"""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_lib.data.log import (
    CATEGORIES,
    DESCRIPTION,
    ITEM,
    ITEM_ID,
    NAME,
    SCENE,
    TIMESTAMP,
    TITLE,
    USER,
    USER_ID,
    InteractionLog,
    build_log,
)
from recsys_lib.data.sources import fetch

SCENES = pd.DataFrame({NAME: ["news"], DESCRIPTION: ["News headlines of a web portal around 2016 and 2017: politics, crime, business, sports, celebrities, science and local events."]})


def load() -> InteractionLog:
    """Load the set: 469 people, 9,075 titles; an event is a click.

    Events carry ``part`` (``train`` or ``test``). Items carry ``title`` and ``categories`` (names of the entities it mentions).
    A click repeated on the same title counts once as an event, with its first part. Extras, in codes:

    - ``impressions``: ``user``, ``item``, ``click`` (0/1), ``part``: all 10,863 rows (6,576 clicked) in the source's order
    - ``entities``: ``item``, ``entity`` (number in the source), ``name``
    """
    folder = fetch("bing-news")
    columns = [USER_ID, ITEM_ID, "click", "entities"]
    parts = [
        pd.read_csv(folder / f"raw_{part}.txt", sep="\t", names=columns, dtype={ITEM_ID: str, "entities": str}, keep_default_na=False, quoting=csv.QUOTE_NONE).assign(part=part)
        for part in ("train", "test")
    ]
    shown = pd.concat(parts, ignore_index=True)
    entities = shown[[ITEM_ID, "entities"]].assign(entities=shown["entities"].str.split(";")).explode("entities").drop_duplicates(ignore_index=True)
    entities[["entity", NAME]] = entities["entities"].str.split(":", n=1, expand=True)
    entities = entities.drop_duplicates([ITEM_ID, "entity"], ignore_index=True)
    items = entities.groupby(ITEM_ID, sort=False)[NAME].agg(", ".join).rename(CATEGORIES).reset_index().assign(**{SCENE: "news"})
    items[TITLE] = items[ITEM_ID]
    clicks = shown.loc[shown["click"] == 1, [USER_ID, ITEM_ID, "part"]].drop_duplicates([USER_ID, ITEM_ID]).assign(**{SCENE: "news", TIMESTAMP: 0})
    log = build_log(clicks, items, SCENES, shown[[USER_ID]].drop_duplicates(), time_kind="none", name="bing-news", positive="a click")
    people, catalogue = pd.Index(log.users[USER_ID]), pd.Index(log.items[ITEM_ID])
    impressions = pd.DataFrame({
        USER: people.get_indexer(shown[USER_ID]).astype(np.int32),
        ITEM: catalogue.get_indexer(shown[ITEM_ID]).astype(np.int32),
        "click": shown["click"].astype(np.int8),
        "part": shown["part"],
    })  # fmt: skip
    named = pd.DataFrame({ITEM: catalogue.get_indexer(entities[ITEM_ID]).astype(np.int32), "entity": entities["entity"].astype(np.int32), NAME: entities[NAME]})
    return replace(log, users=log.users.drop(columns=USER_ID), extras={"impressions": impressions, "entities": named})
