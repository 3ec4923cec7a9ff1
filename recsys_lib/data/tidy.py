"""Your own data: a folder of tidy tables, checked row by row.

``interactions`` (user_id, item_id, scene, timestamp; optional rating and others) and ``items`` (item_id, scene, title; optional
description, categories and others) are required, ``scenes`` (scene or name, description) and ``users`` (user_id and features)
are not. Each is one file, ``.csv``, ``.csv.gz`` (UTF-8, commas, a header line) or ``.parquet``.
Every complaint names the file, the row, the column, what is wrong and what to do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.data.log import (
    CATEGORIES,
    DAY,
    DESCRIPTION,
    ITEM,
    ITEM_ID,
    NAME,
    RATING,
    SCENE,
    TIME,
    TIMESTAMP,
    TITLE,
    USER,
    USER_ID,
    InteractionLog,
    build_log,
)
from recsys_lib.data.tables import Table, read_table
from recsys_lib.errors import BadData

TITLE_LIMIT = 10_000
"""Longest title, in characters; a longer one is a broken row, not a title. Other text may be ten times as long."""
LATEST = 253_402_300_800  # the year 10000: what is later was counted in milliseconds


def load_tidy(folder: str | Path) -> InteractionLog:
    """Read tidy tables into an :class:`InteractionLog`; its ``name`` is the folder's.

    Timestamps are Unix seconds or ISO dates ("2024-05-01", "2024-05-01T18:30:00"; without a zone they are UTC), all of one kind;
    fractions of a second are cut off. ``time_kind`` is ``day`` where all of them fall on midnight, else ``second``. Repeats of a
    (user, item, scene) count once, at their first time. Keys are text: 7, "7" and 007 are 7, 7 and 007. Without a scenes table
    the scenes are those of the items, in their order there. Other columns of the tables are kept; csv columns that hold only
    plain numbers become numbers. An empty title is allowed. In a parquet table the categories may be lists of texts.

    Raises:
        BadData: no such folder; a table missing, there twice, empty, or not readable; a column missing; a key empty or there
            twice; an item or scene unknown; a time missing, negative, or of mixed kinds; times that are years, counts of
            days or dates without dashes; a rating that is no number; a text too long; a scene with fewer than two items (any ranking of one item is perfect, so there is nothing to judge).
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise BadData(f"{folder} is not a folder; give load_tidy the folder that holds interactions.csv and items.csv.")
    items = read_table(folder, "items", (ITEM_ID, SCENE, TITLE))
    events = read_table(folder, "interactions", (USER_ID, ITEM_ID, SCENE, TIMESTAMP))
    scenes = _scenes(read_table(folder, "scenes", (), optional=True), items)
    users = read_table(folder, "users", (USER_ID,), optional=True)

    for column in (ITEM_ID, SCENE):
        items.keys(column)
    items.once([ITEM_ID, SCENE])
    items.known([SCENE], set(scenes[NAME]), "the scenes table does not have", "add it there or correct the name")
    items.text(TITLE, TITLE_LIMIT)
    items.text(DESCRIPTION, 10 * TITLE_LIMIT)
    items.text(CATEGORIES, 10 * TITLE_LIMIT, lists=True)
    _enough_items(items, scenes)

    for column in (USER, ITEM, TIME):
        if column in events.frame:
            raise BadData(f"{events.path.name} has a column {column}, a name this library uses for its own codes; rename it.")
    for column in (USER_ID, ITEM_ID, SCENE):
        events.keys(column)
    _known_items(events, items)
    time = events.times(TIMESTAMP, LATEST)
    events.frame[TIMESTAMP] = time
    if RATING in events.frame:
        events.frame[RATING] = events.numbers(RATING).astype(np.float32)
    if users is not None:
        users.keys(USER_ID)
        users.once([USER_ID])
        users.plain({USER_ID})
    items.plain({ITEM_ID, SCENE, TITLE, DESCRIPTION, CATEGORIES})
    events.plain({USER_ID, ITEM_ID, SCENE, TIMESTAMP, RATING})
    kind = "day" if (time % DAY == 0).all() else "second"
    people = None if users is None else users.frame
    return build_log(events.frame, items.frame, scenes, people, time_kind=kind, name=folder.resolve().name, positive="a row of the interactions table")


def _scenes(table: Table | None, items: Table) -> pd.DataFrame:
    """The scenes table (name, description), or one made of the scenes the items name."""
    if table is None:
        names = items.keys(SCENE).drop_duplicates().tolist()
        return pd.DataFrame({NAME: names, DESCRIPTION: names})
    key = NAME if NAME in table.frame else SCENE
    table.need((key,))
    table.keys(key)
    table.once([key])
    if DESCRIPTION not in table.frame:
        table.frame[DESCRIPTION] = table.frame[key]
    table.text(DESCRIPTION, 10 * TITLE_LIMIT)
    return table.frame.rename(columns={key: NAME}).reset_index(drop=True)


def _enough_items(items: Table, scenes: pd.DataFrame) -> None:
    count = items.frame[SCENE].value_counts().reindex(scenes[NAME], fill_value=0)
    for name, n in count[count < 2].items():
        what = "one item" if n else "no item"
        raise BadData(f"{items.path.name}: scene {name!r} has {what}, and any ranking of it is perfect; add its other items, or leave the scene out.")


def _known_items(events: Table, items: Table) -> None:
    catalogue = pd.MultiIndex.from_frame(items.frame[[ITEM_ID, SCENE]])
    unknown = catalogue.get_indexer(pd.MultiIndex.from_frame(events.frame[[ITEM_ID, SCENE]])) < 0
    if unknown.any():
        item, scene = (events.frame[column].iloc[int(np.argmax(unknown))] for column in (ITEM_ID, SCENE))
        elsewhere = items.frame.loc[items.frame[ITEM_ID] == item, SCENE].tolist()
        hint = f" (it is in scene {elsewhere[0]!r})" if elsewhere else ""
        events.refuse(unknown, ITEM_ID, lambda at: f"item {item!r} of scene {scene!r} is not in {items.path.name}{hint}", "add it there, correct the row, or leave the row out")
