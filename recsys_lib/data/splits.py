"""Splits of the evaluation contract: what is visible when, and who is asked afterwards.

History is *strictly* earlier: an event at time t belongs to the training of a cut at T only when t < T, and events of equal
time never see each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys_lib.data.log import ITEM, SCENE, TIME, UNDATED, USER, InteractionLog
from recsys_lib.errors import BadData

KNOWN, WITHHELD, ARRIVAL, STRANGER = KINDS = ("known", "withheld", "arrival", "stranger")


def hash64(*codes: np.ndarray | int) -> np.ndarray:
    """SplitMix64 of integer codes, combined left to right: uint64. The same codes give the same number on every machine.

    Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    h = np.uint64(0)
    with np.errstate(over="ignore"):
        for code in codes:
            z = np.asarray(code).astype(np.uint64) + h + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            h = z ^ (z >> np.uint64(31))
    return h


def tie_order(items: np.ndarray) -> np.ndarray:
    """Positions of ``items`` (codes) in the order in which equal scores are listed, that of their :func:`hash64`: int64 [len(items)]."""
    return np.argsort(hash64(items), kind="stable")


@dataclass(frozen=True, eq=False)
class Split:
    """Training events and the questions asked after them.

    Attributes:
        log: the whole log the split was made from.
        train: the same people and items with the training events only. Fit on this.
        pairs: one row a question, sorted by (user, scene): ``user``, ``scene``, ``kind`` (known: has training events in
            the scene; withheld: had them, they were removed; arrival: only elsewhere; stranger: none anywhere).
        positives: for each pair, the item codes to find: list of ascending int64 arrays.
        until: T, the first moment that is not training, or ``None`` where the protocol has no global time.
        protocol: the protocol's name in words; it stands in every caption.
    """

    log: InteractionLog
    train: InteractionLog
    pairs: pd.DataFrame
    positives: list[np.ndarray] = field(repr=False)
    until: int | None
    protocol: str

    def validation(self) -> Split:
        """The split for tuning, inside training and on training events alone: frozen at an earlier T where there is one, else the same protocol once more."""
        if self.until is not None:
            return temporal_split(self.train, quantile=0.875)
        if self.protocol.startswith("leave-one-out"):
            return leave_one_out(self.train)
        return hashed_split(self.train, salt=len(self.train.events))  # the hash that made this split has none left below its share


def _make(log: InteractionLog, train: pd.DataFrame, test: pd.DataFrame, until: int | None, protocol: str, withheld: np.ndarray | None = None) -> Split:
    """Ask every (user, scene) of ``test``. ``withheld``: bool [n_users, n_scenes], the pairs whose training events were removed."""
    test = test[[USER, SCENE, ITEM]].drop_duplicates().astype(np.int64).sort_values([USER, SCENE, ITEM])
    first = np.flatnonzero(np.diff(test[USER].to_numpy() * log.n_scenes + test[SCENE].to_numpy(), prepend=-1))  # where each pair's events begin
    keys = test[[USER, SCENE]].iloc[first].reset_index(drop=True)
    positives = np.split(test[ITEM].to_numpy(), first[1:]) if len(first) else []
    counts = event_counts(log, train)
    here, total = counts[keys[USER], keys[SCENE]], counts.sum(1)[keys[USER]]
    kind = np.select([here > 0, total > 0], [KNOWN, ARRIVAL], STRANGER).astype(object)
    if withheld is not None:
        kind[withheld[keys[USER], keys[SCENE]]] = WITHHELD
    return Split(log, log.with_events(train.sort_index()), keys.assign(kind=kind), positives, until, protocol)


def event_counts(log: InteractionLog, events: pd.DataFrame) -> np.ndarray:
    """Events by person and scene: int64 [n_users, n_scenes]."""
    flat = np.bincount(events[USER].to_numpy(np.int64) * log.n_scenes + events[SCENE], minlength=log.n_users * log.n_scenes)
    return flat.reshape(log.n_users, log.n_scenes)


def temporal_split(log: InteractionLog, quantile: float = 0.8, withhold: float = 0.4) -> Split:
    """Frozen at T: the contract's main protocol.

    T is the ``quantile`` (method "lower") of all dated events' times over all scenes. Training is what lies before T. Of the
    test pairs whose person has training events here and at least 3 elsewhere, a hashed share ``withhold`` (at most one
    scene a person) loses its training events in that scene: those are the *withheld* pairs. Undated events are left out.

    Raises:
        BadData: the log has no global time, or no two events at different times; a share outside 0 … 1.
    """
    if not (0 <= quantile <= 1 and 0 <= withhold <= 1):
        raise BadData(f"quantile is {quantile} and withhold {withhold}; both are shares between 0 and 1.")
    if log.time_kind not in ("second", "day"):
        raise BadData(
            f"{log.name} has time of kind {log.time_kind!r}, so there is no moment T that holds for everyone; "
            "use source_split(log) or, where order is known, leave_one_out(log)."
        )
    events = log.events[log.events[TIME] != UNDATED]
    if events[TIME].nunique() < 2:
        raise BadData(f"{log.name} has {len(events)} dated events at {events[TIME].nunique()} different times; a split by time needs at least two.")
    until = int(np.quantile(events[TIME], quantile, method="lower"))
    train, test = events[events[TIME] < until], events[events[TIME] >= until]
    counts = event_counts(log, train)
    asked = test[[USER, SCENE]].drop_duplicates().sort_values([USER, SCENE]).to_numpy(np.int64)
    user, scene = asked[:, 0], asked[:, 1]
    here, total = counts[user, scene], counts.sum(1)[user]
    chosen = asked[(here > 0) & (total - here >= 3) & (hash64(user, scene).astype(np.float64) / 2.0**64 < withhold)]
    chosen = chosen[np.unique(chosen[:, 0], return_index=True)[1]]  # the first such scene of each person
    gone = np.zeros(counts.shape, bool)
    gone[chosen[:, 0], chosen[:, 1]] = True
    return _make(log, train[~gone[train[USER], train[SCENE]]], test, until, "frozen at T", gone)


def held_out_scene(log: InteractionLog, scene: int | str, quantile: float = 0.8) -> Split:
    """All events of one scene leave training; its items' texts and its description stay. Asked: that scene after T."""
    code, base = log.scene_code(scene), temporal_split(log, quantile, withhold=0.0)
    train, test = base.train.events, log.events[(log.events[TIME] >= base.until) & (log.events[SCENE] == code)]
    return _make(log, train[train[SCENE] != code], test, base.until, f"held-out scene: {log.scenes['name'][code]}")


def leave_one_out(log: InteractionLog, users: np.ndarray | None = None) -> Split:
    """Each person's last event is the test; ties of time are broken by a hash of the item. Leaks time, and says so.

    Its ``validation()`` takes the last event before that one. People with fewer than 3 events are only trained on; so are
    all but ``users`` (int codes), where these are given; ``validation()`` asks everybody again.

    Raises:
        BadData: the log knows no order of events.
    """
    if log.time_kind == "none":
        raise BadData(f"{log.name} knows no order of events, so nobody has a last one; use source_split(log).")
    events = log.events[log.events[TIME] != UNDATED]
    order = events.assign(tie=hash64(events[ITEM])).sort_values([USER, TIME, "tie"], kind="stable").drop(columns="tie")
    last = ~order[USER].duplicated(keep="last") & (order.groupby(USER)[USER].transform("size") >= 3)
    if users is not None:
        last &= order[USER].isin(log.user_codes(users))
    return _make(log, order[~last], order[last], None, "leave-one-out (leaks time: others' later events are in training)")


def hashed_split(log: InteractionLog, share: float = 0.2, salt: int = 0) -> Split:
    """A hashed ``share`` of the log's events is the test: for logs without any time. Named in every caption. Another ``salt`` is another draw.

    Raises:
        BadData: a share outside 0 … 1.
    """
    if not 0 <= share <= 1:
        raise BadData(f"share is {share}; give the part of the events to hide, between 0 and 1.")
    hashed = hash64(log.events[USER], log.events[ITEM], *([salt] if salt else []))
    test = hashed.astype(np.float64) / 2.0**64 < share
    return _make(log, log.events[~test], log.events[test], None, f"hashed hold-out of {share:.0%}")


def source_split(log: InteractionLog) -> Split:
    """The split the data came with (event column ``part``: train, validation, test), else a hashed hold-out of 20 %. Events of ``validation`` are in neither half. Raises BadData for other words."""
    if "part" not in log.events:
        return hashed_split(log)
    part = log.events["part"]
    if set(part.unique()) - {"train", "validation", "test"} or not {"train", "test"} <= set(part.unique()):
        raise BadData(f"the column 'part' of {log.name} holds {', '.join(map(repr, part.unique()[:5]))}; it has to say train, validation or test, and train and test at least once.")
    return _make(log, log.events[part == "train"], log.events[part == "test"], None, "the source's own split")
