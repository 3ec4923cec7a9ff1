"""One shape for all data: :class:`InteractionLog`.

Four pandas frames with fixed column names. Inside, people, items and scenes are integer codes; keys stay at the border.
Codes follow the evaluation contract: users by rank of their sorted raw keys, items by rank of (scene order, raw key).
So the items of one scene are consecutive codes, and ``scene_items(s)`` is a plain range.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_lib.errors import BadData

USER, ITEM, SCENE, TIME = "user", "item", "scene", "time"
USER_ID, ITEM_ID, TIMESTAMP = "user_id", "item_id", "timestamp"  # names of raw keys, at the border
TITLE, DESCRIPTION, CATEGORIES, RATING = "title", "description", "categories", "rating"
NAME = "name"
TEXTS = (TITLE, CATEGORIES, DESCRIPTION)  # columns of the items that a language model may read
TIME_KINDS = ("second", "day", "order", "none")
UNDATED = np.iinfo(np.int64).min
DAY = 86_400
MOST_NEAR = 20_000  # keys that are looked through for one like a wrong one, a moment's work


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """Who did what, where and when.

    Attributes:
        users: one row a person, index = user code 0 … n_users-1. Columns are demographic features, if any.
        items: one row an item, index = item code. Columns ``scene`` (int16), ``title`` (str), and what else is known
            (``description``, ``categories``, attributes).
        scenes: one row a scene, index = scene code. Columns ``name`` and ``description`` (str).
        events: one row a *positive* event; columns ``user`` (int32), ``item`` (int32), ``scene`` (int16), ``time``
            (int64, see ``time_kind``; :data:`UNDATED` where unknown), and what else was recorded (``rating``, …).
            Sorted by (time, user, item); each (user, item) stands once, at its first time.
        time_kind: what ``time`` means: ``second`` (Unix seconds), ``day`` (Unix second of the day's start),
            ``order`` (position within the person's history only) or ``none`` (all zero, no order known).
        name: name of the data set.
        positive: in words, what one event means ("a purchase with a review", "a click").
        extras: further frames by name (``impressions``, ``tags``, ``friends``, ``triples``, …), in codes.
    """

    users: pd.DataFrame
    items: pd.DataFrame
    scenes: pd.DataFrame
    events: pd.DataFrame
    time_kind: str = "second"
    name: str = "unnamed"
    positive: str = "an event"
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.time_kind not in TIME_KINDS:
            raise BadData(f"time_kind is {self.time_kind!r}; use one of {', '.join(TIME_KINDS)}.")
        for frame, column, table in (
            (self.events, USER, self.users), (self.events, ITEM, self.items), (self.events, SCENE, self.scenes),
            (self.items, SCENE, self.scenes),
        ):  # fmt: skip
            code = frame[column].to_numpy()
            if len(code) and (code.min() < 0 or code.max() >= len(table)):
                bad = int(np.argmax((code < 0) | (code >= len(table))))
                raise BadData(f"row {bad}: {column} code {code[bad]} is outside 0 … {len(table) - 1}; rebuild the log with build_log.")
        scene = self.items[SCENE].to_numpy()
        if (np.diff(scene) < 0).any():
            raise BadData("items must be ordered by scene; rebuild the log with build_log.")
        if (scene[self.events[ITEM].to_numpy()] != self.events[SCENE].to_numpy()).any():
            raise BadData("an event names another scene than its item; rebuild the log with build_log.")

    n_users = property(lambda self: len(self.users), doc="Number of people.")
    n_items = property(lambda self: len(self.items), doc="Number of items over all scenes.")
    n_scenes = property(lambda self: len(self.scenes), doc="Number of scenes.")

    def scene_code(self, scene: int | str) -> int:
        """Code of a scene given by name or code. Raises BadData for a scene this log does not have."""
        names = self.scenes[NAME].tolist()
        if isinstance(scene, str) and scene in names:
            return names.index(scene)
        if isinstance(scene, (int, np.integer)) and 0 <= scene < len(names):
            return int(scene)
        raise BadData(f"{self.name} has no scene {scene!r}; its scenes are {', '.join(names)}.")

    def user_code(self, key: int | str) -> int:
        """Code of a person given by the key of the users table, or by number in a log that has dropped the keys. Raises BadData for nobody of this log."""
        key, keys = str(key), self.users[USER_ID].astype(str) if USER_ID in self.users else None
        if keys is not None and (keys == key).any():
            return int(np.argmax(keys == key))
        if keys is None and key.isdecimal() and int(key) < self.n_users:
            return int(key)
        near = get_close_matches(key, keys.iloc[:MOST_NEAR]) or keys.iloc[:1].tolist() if keys is not None else []
        known = f"a {USER_ID} of the tables, such as {', '.join(near)}" if keys is not None else f"a number below {self.n_users}"
        raise BadData(f"there is no person {key!r} in {self.name}; give {known}.")

    def user_codes(self, users: np.ndarray) -> np.ndarray:
        """The given user codes as int64. Raises BadData for one that this log does not have, and for what is no code."""
        users = np.asarray(users)
        if len(users) and users.dtype.kind not in "iu":
            raise BadData(f"users are of type {users.dtype}; give integer codes from 0 to {self.n_users - 1}.")
        users = users.astype(np.int64)
        unknown = (users < 0) | (users >= self.n_users)
        if unknown.any():
            raise BadData(f"user code {users[unknown][0]} is unknown; codes run from 0 to {self.n_users - 1}.")
        return users

    def scene_items(self, scene: int | str) -> np.ndarray:
        """Item codes of a scene, ascending and consecutive: int64 [n_items of the scene]."""
        first, last = np.searchsorted(self.items[SCENE].to_numpy(), [self.scene_code(scene), self.scene_code(scene) + 1])
        return np.arange(first, last)

    def matrix(self, weights: np.ndarray | None = None) -> sp.csr_matrix:
        """Events as a sparse user × item matrix: float32 [n_users, n_items]; ones, or ``weights`` [n_events]."""
        data = np.ones(len(self.events), np.float32) if weights is None else np.asarray(weights, np.float32)
        return sp.csr_matrix((data, (self.events[USER], self.events[ITEM])), shape=(self.n_users, self.n_items))

    @cached_property
    def _by_user(self) -> tuple[np.ndarray, np.ndarray]:
        """Items person by person, and where each person's begin: int32 [n_events], int64 [n_users + 1]. Made once; a log is never changed in place."""
        user = self.events[USER].to_numpy()
        items = self.events[ITEM].to_numpy()[np.argsort(user, kind="stable")]
        return items, np.concatenate([[0], np.cumsum(np.bincount(user, minlength=self.n_users))])

    def items_of(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What these people did, in any scene, without a look at anybody else's events.

        Args:
            users: user codes [n].

        Returns:
            Two int64 arrays, one entry an event: the position in ``users``, ascending, and the item code, oldest first.
        """
        items, start = self._by_user
        users = np.asarray(users, np.int64)
        size = start[users + 1] - start[users]
        row = np.repeat(np.arange(len(users)), size)
        within = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        return row, items[start[users][row] + within].astype(np.int64)

    def with_events(self, events: pd.DataFrame) -> InteractionLog:
        """The same people, items and scenes with other events."""
        return replace(self, events=events.reset_index(drop=True))

    def before(self, time: int | None) -> InteractionLog:
        """Only the events strictly earlier than ``time``, so none that is undated; ``None`` keeps all. Raises BadData for what is no number."""
        if time is None:
            return self
        if not isinstance(time, (int, float, np.number)):
            raise BadData(f"the moment {time!r} is a {type(time).__name__}; give it in the numbers of the log, Unix seconds as a rule.")
        when = self.events[TIME]
        return self.with_events(self.events[(when < time) & (when != UNDATED)])

    def __repr__(self) -> str:
        scenes = ", ".join(f"{n} {k:,}" for n, k in zip(self.scenes[NAME], np.bincount(self.events[SCENE], minlength=self.n_scenes), strict=True))
        return f"InteractionLog({self.name}: {self.n_users:,} people, {self.n_items:,} items, {len(self.events):,} events [{scenes}], time in {self.time_kind})"


def _uncategorised(frame: pd.DataFrame) -> pd.DataFrame:
    """Keys by their values: a categorical column has an order of its own, and codes follow that of the keys."""
    return frame.astype({c: frame[c].cat.categories.dtype for c in (USER_ID, ITEM_ID, SCENE) if c in frame and isinstance(frame[c].dtype, pd.CategoricalDtype)})


def build_log(
    events: pd.DataFrame,
    items: pd.DataFrame,
    scenes: pd.DataFrame,
    users: pd.DataFrame | None = None,
    *,
    keep_user_ids: bool = True,
    **fields: object,
) -> InteractionLog:
    """Turn raw keyed tables into an :class:`InteractionLog`.

    Args:
        events: columns ``user_id``, ``item_id``, ``scene`` (name), ``timestamp`` (int64; :data:`UNDATED` allowed) and
            any others. Repeats of one (user, item, scene) are kept once, at their first time.
        items: columns ``item_id``, ``scene`` (name), ``title`` and any others; one row an item.
        scenes: columns ``name``, ``description``; their order is the order of the scene codes.
        users: column ``user_id`` and features, one row a person; people with no row get empty features. ``None``: made from the events.
        keep_user_ids: False drops the raw keys of people for good (pseudonymous ids of review sites).
        **fields: ``time_kind``, ``name``, ``positive``, ``extras`` of the log.

    Raises:
        BadData: a column or a key is missing, a time is no whole number, keys are of several types, a scene's name is no text; a scene,
            an item or a person stands twice; an event names an item or a scene that the other tables do not have, or has a column called
            like a code.
    """
    for column in (USER, ITEM, TIME):
        if column in events:
            raise BadData(f"the events have a column {column!r}, the name of a code that is made here; rename it.")
    needed = {"events": (events, (USER_ID, ITEM_ID, SCENE, TIMESTAMP)), "items": (items, (ITEM_ID, SCENE, TITLE)), "scenes": (scenes, (NAME,))}
    needed |= {} if users is None else {"users": (users, (USER_ID,))}
    for table, (frame, columns) in needed.items():
        for column in columns:
            if column not in frame:
                raise BadData(f"the {table} table has no column {column!r}; it has {', '.join(map(str, frame.columns))}.")
            if column != TITLE and frame[column].isna().any():
                raise BadData(f"{table} row {int(np.argmax(frame[column].isna()))}: {column} is missing; fill it in or leave the row out.")
    if events[TIMESTAMP].dtype.kind not in "iu" and len(events):
        raise BadData(f"the timestamps are of type {events[TIMESTAMP].dtype}; give int64, Unix seconds as a rule, and UNDATED where a time is unknown.")
    if wrong := [name for name in scenes[NAME] if not isinstance(name, str)]:
        raise BadData(f"the scene {wrong[0]!r} is a {type(wrong[0]).__name__}; name scenes with text, since a number means a scene's code.")
    if scenes[NAME].duplicated().any():
        raise BadData(f"scene {scenes[NAME][scenes[NAME].duplicated()].iloc[0]!r} stands twice in the scenes table; keep one row of it.")
    events, items = (_uncategorised(frame) for frame in (events, items))
    people = [events[USER_ID]] if users is None else [events[USER_ID], users[USER_ID]]
    keys, products = (pd.unique(np.concatenate([part.to_numpy(object) for part in parts])) for parts in (people, [items[ITEM_ID]]))
    for column, raw in ((USER_ID, keys), (ITEM_ID, products)):
        if len(kinds := {type(key).__name__ for key in raw}) > 1:
            raise BadData(f"the {column} are of several types ({', '.join(sorted(kinds))}); make all keys text, or all whole numbers.")
    if users is not None and users[USER_ID].duplicated().any():
        raise BadData(f"person {users.loc[users[USER_ID].duplicated(), USER_ID].tolist()[0]!r} stands twice in the users table; keep one row.")
    scenes = scenes.reset_index(drop=True)
    scene_of = {n: k for k, n in enumerate(scenes[NAME])}
    items = items.assign(**{SCENE: items[SCENE].map(scene_of)})
    if items[SCENE].isna().any():
        raise BadData(f"item row {int(np.argmax(items[SCENE].isna()))} names a scene that is not in the scenes table.")
    items = items.sort_values([SCENE, ITEM_ID], kind="stable").reset_index(drop=True).astype({SCENE: np.int16})
    item_index = pd.MultiIndex.from_arrays([items[SCENE], items[ITEM_ID]])
    if item_index.has_duplicates:
        raise BadData(f"item {item_index[item_index.duplicated()][0]} stands twice in the items table; keep one row of it.")
    scene = events[SCENE].map(scene_of).fillna(-1).astype(np.int16)
    item = item_index.get_indexer(pd.MultiIndex.from_arrays([scene, events[ITEM_ID]]))
    if (item < 0).any():
        row = int(np.argmax(item < 0))
        raise BadData(f"event row {row} names item {events[ITEM_ID].tolist()[row]!r} in scene {events[SCENE].iloc[row]!r}, which the items table does not have.")
    keys = np.sort(keys)
    if users is None:
        users = pd.DataFrame({USER_ID: keys})
    users = users.set_index(USER_ID).reindex(keys).rename_axis(USER_ID).reset_index()
    coded = pd.DataFrame({
        USER: pd.Index(keys, dtype=object).get_indexer(events[USER_ID].to_numpy(object)).astype(np.int32),
        ITEM: item.astype(np.int32),
        SCENE: scene.to_numpy(),
        TIME: events[TIMESTAMP].to_numpy(np.int64),
    })  # fmt: skip
    for column in events.columns.difference([USER_ID, ITEM_ID, SCENE, TIMESTAMP]):
        coded[column] = events[column].to_numpy()
    coded = coded.sort_values([TIME, USER, ITEM], kind="stable", ignore_index=True)
    coded = coded.iloc[np.argsort(coded[TIME] == UNDATED, kind="stable")].drop_duplicates([USER, ITEM]).sort_index().reset_index(drop=True)  # an undated repeat hides no dated one
    return InteractionLog(users if keep_user_ids else users.drop(columns=USER_ID), items, scenes, coded, **fields)
