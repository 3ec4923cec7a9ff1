"""The one shape: what build_log and InteractionLog refuse, each in one sentence."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from recsys_lib.data import build_log
from recsys_lib.data.log import UNDATED
from recsys_lib.errors import BadData

SCENES = pd.DataFrame({"name": ["shop", "music"], "description": ""})
ITEMS = pd.DataFrame({"item_id": ["b", "a", "a"], "scene": ["shop", "shop", "music"], "title": ["B", "A", "song"]})
EVENTS = pd.DataFrame({"user_id": ["v", "u", "u"], "item_id": ["a", "b", "a"], "scene": ["shop", "shop", "music"], "timestamp": [5, 7, 6], "rating": [1, 2, 3]})


def test_codes_follow_sorted_keys():
    log = build_log(EVENTS, ITEMS, SCENES)
    assert log.items["title"].tolist() == ["A", "B", "song"] and log.users["user_id"].tolist() == ["u", "v"]
    assert log.events[["user", "item", "scene", "time", "rating"]].to_numpy().tolist() == [[1, 0, 0, 5, 1], [0, 2, 1, 6, 3], [0, 1, 0, 7, 2]]
    assert log.before(6).events["time"].tolist() == [5] and log.before(UNDATED).events.empty


@pytest.mark.parametrize("column", ["user", "item", "time"])
def test_a_column_called_like_a_code_is_refused(column):
    with pytest.raises(BadData, match=f"the events have a column '{column}', the name of a code that is made here; rename it"):
        build_log(EVENTS.assign(**{column: 0}), ITEMS, SCENES)


@pytest.mark.parametrize(("events", "items", "message"), [
    (EVENTS.assign(item_id="zz"), ITEMS, "event row 0 names item 'zz' in scene 'shop', which the items table does not have"),
    (EVENTS.assign(scene="books"), ITEMS, "event row 0 names item 'a' in scene 'books'"),
    (EVENTS, ITEMS.assign(scene=["shop", "shop", "books"]), "item row 2 names a scene that is not in the scenes table"),
    (EVENTS, pd.concat([ITEMS, ITEMS[:1]]), "stands twice in the items table; keep one row"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused(events, items, message):
    with pytest.raises(BadData, match=message):
        build_log(events, items, SCENES)


def test_categories_have_no_say_in_the_codes():
    turned = {c: pd.CategoricalDtype(order, ordered=True) for c, order in (("item_id", ["b", "a"]), ("scene", ["music", "shop"]), ("user_id", ["v", "u"]))}
    log = build_log(*(frame.astype({c: kind for c, kind in turned.items() if c in frame}) for frame in (EVENTS, ITEMS)), SCENES, pd.DataFrame({"user_id": pd.Categorical(["v", "w"]), "age": [3, 4]}))
    plain = build_log(EVENTS, ITEMS, SCENES)
    assert log.items["title"].tolist() == plain.items["title"].tolist() and log.events.equals(plain.events)
    assert log.users["user_id"].tolist() == ["u", "v", "w"] and log.users["age"].tolist()[1:] == [3, 4]


@pytest.mark.parametrize(("users", "message"), [
    (pd.DataFrame({"uid": ["u"]}), "the users table has no column 'user_id'"),
    (pd.DataFrame({"user_id": ["u", None]}), "users row 1: user_id is missing"),
    (pd.DataFrame({"user_id": [1, 2]}), r"the user_id are of several types \(int, str\)"),
    (pd.DataFrame({"user_id": ["u", "v", "u"]}), "person 'u' stands twice in the users table"),
])  # fmt: skip
def test_a_users_table_is_looked_at(users, message):
    with pytest.raises(BadData, match=message):
        build_log(EVENTS, ITEMS, SCENES, users)


def test_a_scene_is_named_with_text_and_an_item_with_keys_of_one_kind():
    number = {"shop": 1, "music": 2}
    with pytest.raises(BadData, match="the scene 1 is a int; name scenes with text"):
        build_log(*(frame.assign(scene=frame["scene"].map(number)) for frame in (EVENTS, ITEMS)), SCENES.assign(name=[1, 2]))
    with pytest.raises(BadData, match=r"the item_id are of several types \(int, str\)"):
        build_log(EVENTS, ITEMS.assign(item_id=["b", 1, "a"]), SCENES)
    with pytest.raises(BadData, match="names item 1 in scene"):
        build_log(EVENTS.assign(item_id=1), ITEMS, SCENES)


def test_broken_codes_are_refused():
    log = build_log(EVENTS, ITEMS, SCENES)
    for column, code in (("user", 2), ("item", 3), ("scene", -1)):
        with pytest.raises(BadData, match=f"row 1: {column} code {code} is outside 0 …"):
            log.with_events(log.events.assign(**{column: np.where(np.arange(3) == 1, code, log.events[column])}))
    with pytest.raises(BadData, match="another scene than its item"):
        log.with_events(log.events.assign(scene=0))
    with pytest.raises(BadData, match="ordered by scene"):
        dataclasses.replace(log, items=log.items.iloc[::-1])
    with pytest.raises(BadData, match="use one of second, day, order, none"):
        dataclasses.replace(log, time_kind="week")
    with pytest.raises(BadData, match="no scene 'books'; its scenes are shop, music"):
        log.scene_items("books")
