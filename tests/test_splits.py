"""The splits: no future event ever in a history; the kinds of pairs; refusals that explain."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_lib.data import build_log, held_out_scene, leave_one_out, source_split, temporal_split
from recsys_lib.data.splits import hashed_split
from recsys_lib.errors import BadData


def make_log(rows: list[tuple[int, int, int]], time_kind: str = "second"):
    """A log of (user, item, time); even items are in scene a, odd ones in b."""
    events = pd.DataFrame(rows, columns=["user_id", "number", "timestamp"])
    scene = events.number.map(lambda i: "ab"[i % 2])
    events = pd.DataFrame({"user_id": events.user_id.astype(str), "item_id": events.number.astype(str), "scene": scene, "timestamp": events.timestamp})
    items = events[["item_id", "scene"]].drop_duplicates().assign(title="t")
    scenes = pd.DataFrame({"name": ["a", "b"], "description": ["", ""]})
    return build_log(events, items, scenes, time_kind=time_kind, name="trial")


LOGS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12), st.integers(0, 30)), min_size=6, max_size=120)


@settings(max_examples=60, deadline=None)
@given(LOGS)
def test_training_lies_strictly_before_t_and_positives_are_never_seen(rows):
    log = make_log(rows)
    if log.events.time.nunique() < 2:
        return
    split = temporal_split(log)
    assert (split.train.events.time < split.until).all()
    seen = set(zip(split.train.events.user, split.train.events.item, strict=True))
    late = log.events[log.events.time >= split.until]
    assert sum(map(len, split.positives)) == len(late)
    for (user, scene, kind), positives in zip(split.pairs.itertuples(index=False), split.positives, strict=True):
        own = split.train.events[split.train.events.user == user]
        here = (own.scene == scene).any()
        assert kind == ("known" if here else kind) and not (kind == "known" and not here)
        assert kind != "stranger" or own.empty
        assert not any((user, item) in seen for item in positives)


@settings(max_examples=40, deadline=None)
@given(LOGS)
def test_leave_one_out_asks_the_last_event(rows):
    log = make_log(rows)
    split = leave_one_out(log)
    for (user, _, _), positives in zip(split.pairs.itertuples(index=False), split.positives, strict=True):
        own = log.events[log.events.user == user]
        assert len(positives) == 1 and own[own.item == positives[0]].time.item() == own.time.max()


def test_leave_one_out_only_trains_on_people_with_fewer_than_three_events():
    split = leave_one_out(make_log([(u, i, i) for u, n in enumerate((1, 2, 3, 4)) for i in range(n)]))
    assert split.pairs.user.tolist() == [2, 3] and len(split.train.events) == 10 - 2


@settings(max_examples=40, deadline=None)
@given(LOGS, st.lists(st.integers(0, 8), unique=True))
def test_leave_one_out_of_some_people_trains_on_the_others_whole(rows, chosen):
    log = make_log(rows)
    chosen = np.array([c for c in chosen if c < log.n_users], int)
    whole, some = leave_one_out(log), leave_one_out(log, chosen)
    asked = whole.pairs.user.isin(chosen)
    assert some.pairs.user.tolist() == whole.pairs.user[asked].tolist()
    assert keys(some.train.events) == keys(log.events) - {key for key in keys(log.events) - keys(whole.train.events) if key[0] in chosen}


SPLITS = {"temporal": temporal_split, "held out": lambda log: held_out_scene(log, "b"), "leave one out": leave_one_out, "hashed": source_split}


def keys(events):
    """Events as a set of (user, item)."""
    return set(zip(events.user.tolist(), events.item.tolist(), strict=True))


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=40, deadline=None)
@given(rows=LOGS)
def test_what_every_split_keeps(name, rows):
    """Nothing asked is trained on; all asked are events of the log, in the pair's scene; tuning sees only training; no future in a history."""
    log = make_log(rows)
    try:
        split = SPLITS[name](log)
    except BadData as refused:
        assert log.events.time.nunique() < 2 and "at least two" in str(refused)
        return
    before, scene = keys(split.train.events), log.items.scene.to_numpy()
    asked = [(user, item) for user, items in zip(split.pairs.user, split.positives, strict=True) for item in items.tolist()]
    assert before <= keys(log.events) and set(asked) <= keys(log.events) - before and len(set(asked)) == len(asked)
    assert all((scene[items] == s).all() and len(items) for s, items in zip(split.pairs.scene, split.positives, strict=True))
    assert split.pairs[["user", "scene"]].apply(tuple, axis=1).is_monotonic_increasing if len(split.pairs) else True
    if split.until is not None:
        when = log.events.set_index(["user", "item"]).time
        assert (split.train.events.time < split.until).all() and all(when[pair] >= split.until for pair in asked)
    if name == "leave one out":
        own = split.train.events.groupby("user").time.max()
        when = log.events.set_index(["user", "item"]).time
        assert all(when[user, item] >= own[user] for user, item in asked)
    if name == "held out" or split.train.events.time.nunique() < 2:
        return
    inner = split.validation()
    tuned = {(user, item) for user, items in zip(inner.pairs.user, inner.positives, strict=True) for item in items.tolist()}
    assert keys(inner.train.events) <= before and tuned <= before - keys(inner.train.events)
    assert inner.until is None or inner.until < split.until


def test_tuning_of_a_hashed_split_asks_something_too():
    log = make_log([(u, i, 0) for u in range(30) for i in range(u % 5, 40, 3)], time_kind="none")
    split = source_split(log)
    for _ in range(3):
        inner = split.validation()
        asked = [(user, item) for user, items in zip(inner.pairs.user, inner.positives, strict=True) for item in items.tolist()]
        assert 0.1 < len(asked) / len(split.train.events) < 0.3 and set(asked) == keys(split.train.events) - keys(inner.train.events)
        split = inner
    with pytest.raises(BadData, match="share is 1.5"):
        hashed_split(log, 1.5)


def test_held_out_scene_leaves_nothing_of_it():
    log = make_log([(u, i, 3 * i + u) for u in range(6) for i in range(10)])
    split = held_out_scene(log, "b")
    assert (split.train.events.scene == 0).all() and (split.pairs.scene == 1).all() and len(split.pairs)


def test_no_global_time_is_refused_with_a_way_out():
    log = make_log([(u, i, 0) for u in range(4) for i in range(8)], time_kind="none")
    with pytest.raises(BadData, match="source_split"):
        temporal_split(log)
    with pytest.raises(BadData, match="source_split"):
        leave_one_out(log)
    split = source_split(log)
    assert len(split.train.events) + sum(map(len, split.positives)) == len(log.events)


@pytest.mark.needs("amazon-fkb")
def test_the_contract_counts(amazon_fkb):
    split = temporal_split(amazon_fkb)
    assert split.pairs.kind.value_counts().to_dict() == {"known": 14_486, "withheld": 2_935, "stranger": 1_879, "arrival": 181}
    assert len(split.train.events) == 258_173 and str(np.datetime64(split.until, "s"))[:10] == "2014-02-19"
