"""P, the person: what L makes of a history, always from events strictly before the moment of asking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recsys_lib.data.log import DAY, ITEM, NAME, SCENE, TIME, TITLE, UNDATED, USER, USER_ID, InteractionLog
from recsys_lib.errors import BadData
from recsys_lib.prompts import quoted

NOTHING = "Nothing is known yet of what this person likes."


class Profiles:
    """A person as vectors: for each scene, the mean of the item vectors of their past there.

    One *pool* is a scene and a half-life: with scenes food and beauty and half-lives ``(None, 90)`` a person is four vectors.
    Each has length 1, or 0 where the person has no past in that scene. One running sum walks along each person's events and fades
    on the way, so a profile at any moment is one look-up, and depends on nothing that comes after it: not even on when it came.
    Undated events are left out.

    Args:
        log: whose events are the histories.
        vectors: float [n_items, d], what L makes of each item; finite.
        half_lives: days after which an event weighs half; ``None``: all events weigh the same.

    Attributes:
        pools: number of pools, scenes × half-lives; pool ``scene * len(half_lives) + k`` is half-life k of that scene.
        dim: d.

    Raises:
        BadData: vectors of another shape or with a number that is not finite; a half-life that is not positive, or one for a log without calendar time.
    """

    def __init__(self, log: InteractionLog, vectors: np.ndarray, half_lives: Sequence[float | None] = (None,)) -> None:
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or len(vectors) != log.n_items or not np.isfinite(vectors).all():
            raise BadData(f"vectors have shape {vectors.shape}; {log.name} has {log.n_items} items, and each needs one row of finite numbers.")
        if any(h is not None for h in half_lives) and log.time_kind not in ("second", "day"):
            raise BadData(f"half-lives are in days, and {log.name} has time in {log.time_kind!r}; use half_lives=(None,).")
        if any(h is not None and not h > 0 for h in half_lives):
            raise BadData(f"half_lives are {tuple(half_lives)}; each is a positive number of days, or None.")
        self.n_users, self.half_lives, self.dim = log.n_users, tuple(half_lives), vectors.shape[1]
        self.pools = log.n_scenes * len(self.half_lives)
        dated = log.events[log.events[TIME] != UNDATED]
        self._first = int(dated[TIME].min()) if len(dated) else 0
        self._span = int(dated[TIME].max()) - self._first + 2 if len(dated) else 2
        dated = dated.sort_values([USER, SCENE, TIME], kind="stable")
        user, scene, time, item = (dated[column].to_numpy(np.int64) for column in (USER, SCENE, TIME, ITEM))
        owner = user * log.n_scenes + scene  # a person in a scene
        self._keys = np.concatenate([[-1], owner * self._span + time - self._first])  # row 0: no past
        self._means = np.zeros((len(self._keys), len(self.half_lives), self.dim), np.float32)
        for k, h in enumerate(self.half_lives):
            sums = self._means[1:, k]
            sums[:] = vectors[item]
            _running_means(sums, owner, time, h)

    def at(self, users: np.ndarray, times: np.ndarray | int | None) -> np.ndarray:
        """Profiles of ``users`` [n] as of ``times`` [n] (or one moment for all; ``None``: after all dated events): float32 [n, pools, dim].

        An event at the very moment asked for is not part of the past. Raises BadData for a user that the log does not have.
        """
        users = np.asarray(users, np.int64)
        if len(users) and not 0 <= users.min() <= users.max() < self.n_users:
            raise BadData(f"user codes run from {users.min()} to {users.max()}; those of this log run from 0 to {self.n_users - 1}.")
        when = self._span - 1 if times is None else np.clip(np.asarray(times, np.int64), self._first, self._first + self._span - 1) - self._first
        scenes = self.pools // len(self.half_lives)
        begin = (users[:, None] * scenes + np.arange(scenes)) * self._span  # where a person's events in a scene would stand
        last = np.searchsorted(self._keys, begin + np.reshape(when, (-1, 1))) - 1
        last[self._keys[last] < begin] = 0
        return self._means[last].reshape(len(users), self.pools, self.dim)


def _running_means(sums: np.ndarray, owner: np.ndarray, time: np.ndarray, half_life: float | None) -> None:
    """Turn vectors [n, d], in place, into the direction of the sum of their owner's up to and including each, every one halved for each ``half_life`` days it lies before.

    sum_k = vector_k + ½^(days since event k - 1 / half-life) · sum_{k-1}: all owners' second events at once, then all third ones, and so on.
    ``owner`` ascends, ``time`` within an owner.
    """
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)  # 0 for an owner's first event
    fade = np.ones(len(owner), np.float32)
    if half_life is not None:
        fade[1:] = 0.5 ** (np.maximum(np.diff(time), 0) / (half_life * DAY))
    for rows in np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place)))[1:-1]:
        sums[rows] += fade[rows, None] * sums[rows - 1]
    for part in np.array_split(sums, len(sums) // 65_536 + 1):  # a block at a time: the norm makes a copy
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)


def past_of(log: InteractionLog, until: int | None = None) -> pd.DataFrame:
    """The events that a profile as of ``until`` may know: strictly earlier ones, newest first within a person.

    Undated events are left out where a moment is given, since nobody can say that they lie before it.

    Raises:
        BadData: a moment is given and the log has no calendar time.
    """
    events = log.events
    if until is not None:
        if log.time_kind not in ("second", "day"):
            raise BadData(f"until is a moment, and {log.name} has time in {log.time_kind!r}; give a log of the past alone, and until=None.")
        events = events[(events[TIME] < until) & (events[TIME] != UNDATED)]
    return events.sort_values([USER, TIME, ITEM], ascending=[True, False, False], kind="stable")


def features(log: InteractionLog, until: int | None = None) -> pd.DataFrame:
    """A person as a row of a table: how much, where, how long ago, and what the sign-up form says.

    Columns: ``events``; ``events in <scene>`` for each scene; ``days since`` the latest event and ``days since <scene>`` (float,
    nan without one, or without calendar time; counted back from ``until``, or from the newest event of the log); then the columns
    of ``log.users`` but the key, such as age band, gender, region and device.

    Returns:
        One row a person, index = user code.

    Raises:
        BadData: a column of ``log.users`` has the name of one of ours; see :func:`past_of`.
    """
    past = past_of(log, until)
    out = pd.DataFrame(index=pd.RangeIndex(log.n_users, name=USER))
    dated = past[past[TIME] != UNDATED] if log.time_kind in ("second", "day") else past[:0]
    now = until if until is not None else dated[TIME].max()
    names = log.scenes[NAME].tolist()
    out["events"] = past.groupby(USER).size().reindex(out.index, fill_value=0)
    for code, name in enumerate(names):
        out[f"events in {name}"] = past[past[SCENE] == code].groupby(USER).size().reindex(out.index, fill_value=0)
    out["days since"] = (now - dated.groupby(USER)[TIME].max().reindex(out.index)) / DAY
    for code, name in enumerate(names):
        out[f"days since {name}"] = (now - dated[dated[SCENE] == code].groupby(USER)[TIME].max().reindex(out.index)) / DAY
    form = log.users.drop(columns=USER_ID, errors="ignore").rename_axis(USER)
    if len(twice := form.columns.intersection(out.columns)):
        raise BadData(f"the users of {log.name} have a column {twice[0]!r}, and so have their features; rename it.")
    return out.join(form)


def template(log: InteractionLog, users: np.ndarray, until: int | None = None, last: int = 8, about: bool = True) -> list[str]:
    """A person as plain text, filled into a fixed form: who they say they are, then each scene's latest titles, newest scene first.

    Titles are quoted, cut and cleaned (:func:`~recsys_lib.prompts.quoted`), so that a title stays a title. What the person's own
    row says stands there as it is, on one line; a list is left out. A text depends on
    nothing but the person's own row of ``log.users``, the events strictly before ``until``, and those items' titles.

    Args:
        users: user codes [n]. until: a moment, or ``None`` for all events. last: how many titles at most, the newest.
        about: with the person's features and the counts; False gives the titles alone.

    Returns:
        n texts. An empty history gives a plain sentence.

    Raises:
        BadData: an unknown user code; see :func:`past_of`.
    """
    users = log.user_codes(users)
    past, names, titles = past_of(log, until), log.scenes[NAME].tolist(), log.items[TITLE].tolist()
    past = past[past[USER].isin(users)]
    mine = {u: (part[ITEM].to_numpy(), part[SCENE].to_numpy()) for u, part in past.groupby(USER)}
    facts = log.users.drop(columns=USER_ID, errors="ignore")
    labels, rows = [name.replace("_", " ") for name in facts], facts.iloc[users].astype(object).to_numpy()  # object: 25 stays 25
    texts = []
    for u, row in zip(users, rows, strict=True):
        items, scenes = mine.get(u, (np.zeros(0, int), np.zeros(0, int)))
        known = [f"{label} {' '.join(str(x).split())}" for label, x in zip(labels, row, strict=True) if pd.api.types.is_scalar(x) and pd.notna(x)] if about else []
        parts = ["A person: " + ", ".join(known) + "."] if known else []
        for scene in dict.fromkeys(scenes[:last].tolist()):
            shown = "; ".join(quoted(titles[i]) for i in items[:last][scenes[:last] == scene])
            parts.append(f"{names[scene].capitalize()}, {(scenes == scene).sum()} so far, newest first: {shown}." if about else f"{shown}.")
        texts.append(" ".join(parts if len(items) else [*parts, NOTHING]))
    return texts
