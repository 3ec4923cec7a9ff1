"""Your own tables: what comes in comes out, and what is wrong is said with file, row, column and remedy."""

import gzip
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_lib.data import load_tidy
from recsys_lib.errors import BadData
from recsys_lib.language import item_texts
from recsys_lib.models.scene_fusion import describe_scenes

ITEMS = "item_id,scene,title\na,shop,Tea\nb,shop,Cup\na,music,Song\nc,music,Tune\n"
EVENTS = "user_id,item_id,scene,timestamp,rating\nu1,a,shop,1728000000,5\nu2,b,shop,1728086400,\nu1,c,music,1728000000,1\n"


def _folder(path, items=ITEMS, interactions=EVENTS, **more):
    for name, content in {"items": items, "interactions": interactions, **more}.items():
        if content is not None:
            (path / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_categories_may_be_lists_in_parquet(tmp_path):
    _folder(tmp_path, items=None)
    items = pd.DataFrame({"item_id": list("abc"), "scene": ["shop", "shop", "music"], "title": "T", "categories": [["Food", "Tea"], None, []]})
    items = pd.concat([items, pd.DataFrame({"item_id": ["d"], "scene": ["music"], "title": "T", "categories": [["Songs"]]})])
    items.to_parquet(tmp_path / "items.parquet")
    _folder(tmp_path, items=None, interactions="user_id,item_id,scene,timestamp\nu1,a,shop,2024-05-01\nu2,d,music,2024-05-02\n")
    log = load_tidy(tmp_path)
    assert log.items["categories"].tolist() == [["Food", "Tea"], "", [], ["Songs"]]
    assert item_texts(log) == ["T. Food, Tea", "T", "T", "T. Songs"]
    items.assign(categories=[["x", None]] * 4).to_parquet(tmp_path / "items.parquet")
    with pytest.raises(BadData, match="and 3 more rows, column categories: .* is a list, neither text nor a list of texts"):
        load_tidy(tmp_path)


def test_a_small_folder(tmp_path):
    log = load_tidy(_folder(tmp_path, scenes="name,description\nmusic,Songs\nshop,Things\n", users="user_id,age,zip\nu2,30,01234\nu1,40,99\nu9,50,1\n"))
    assert log.name == tmp_path.name and log.time_kind == "day"
    assert log.scenes["name"].tolist() == ["music", "shop"] and log.scenes["description"].tolist() == ["Songs", "Things"]
    assert log.items["title"].tolist() == ["Song", "Tune", "Tea", "Cup"]
    assert log.users["user_id"].tolist() == ["u1", "u2", "u9"] and log.users["age"].tolist() == [40, 30, 50]
    assert log.users["zip"].tolist() == ["99", "01234", "1"]  # a leading zero: not numbers
    assert log.events[["user", "item", "time"]].to_numpy().tolist() == [[0, 1, 1_728_000_000], [0, 2, 1_728_000_000], [1, 3, 1_728_086_400]]
    assert log.events["rating"].tolist()[:2] == [1, 5] and np.isnan(log.events["rating"].iloc[2])


def test_without_scenes_table_and_with_dates(tmp_path):
    dated = "user_id,item_id,scene,timestamp\nu,a,shop,2024-05-01T02:00:00+02:00\nu,c,music,2024-05-01\nu,a,shop,2024-04-30T00:00:00.9\n"
    log = load_tidy(_folder(tmp_path, interactions=dated))
    assert log.scenes["name"].tolist() == ["shop", "music"] and log.time_kind == "day"
    assert log.events["time"].tolist() == [1_714_435_200, 1_714_521_600]  # the repeat counts once, at its first time


@pytest.mark.parametrize("scenes", [None, "name\nshop\nmusic\n", "name,description\nshop,\nmusic,  \n"])
def test_scenes_without_a_description_can_still_be_described(tmp_path, scenes):
    described = describe_scenes(load_tidy(_folder(tmp_path, scenes=scenes)))
    assert [text.split(".")[0] for text in described] == ["shop", "music"] and all(text == text.strip(" .") for text in described)


def test_quoted_text_keeps_commas_and_lines(tmp_path):
    log = load_tidy(_folder(tmp_path, items='item_id,scene,title\n"a",shop,"Tea, ""black""\nstrong"\nb,shop,\nNA,music,null\nc,music,Ünïcode 茶\n'))
    assert log.items["title"].tolist() == ['Tea, "black"\nstrong', "", "null", "Ünïcode 茶"]
    assert "NA" in set(log.items["item_id"])


BROKEN = {
    "missing column": (dict(items="item_id,title\na,Tea\n"), r"items.csv has no column 'scene' \(its columns are 'item_id', 'title'\); add"),
    "semicolons": (dict(items="item_id;scene;title\na;shop;Tea\n"), r"no column 'item_id'.*separated by commas"),
    "no title": (dict(items="item_id,scene\na,shop\nb,shop\n"), r"items.csv has no column 'title'"),
    "a space before a name": (dict(items=" item_id,scene,title\na,shop,Tea\n"), r"no column 'item_id' \(its columns are ' item_id', 'scene', 'title'; did you mean ' item_id'\?\); add or rename"),
    "capitals": (dict(items="Item ID,Scene,title\na,shop,Tea\n"), r"did you mean 'Item ID'\?"),
    "a slip": (dict(items="item_id,scene,tittle\na,shop,Tea\n"), r"did you mean 'tittle'\?"),
    "unknown item": (dict(interactions=EVENTS + "u1,zz,shop,5,1\n"), r"interactions.csv, data row 4 \(line 5 of the file\), column item_id: item 'zz' of scene 'shop' is not in items.csv; add it"),
    "item of another scene": (dict(interactions=EVENTS + "u1,b,music,5,1\n"), r"data row 4 .* item 'b' of scene 'music' is not in items.csv \(it is in scene 'shop'\)"),
    "item twice": (dict(items=ITEMS + "a,shop,Tea again\n"), r"items.csv, data row 5 \(line 6 of the file\), column item_id, scene: 'a', 'shop' stands in data row 1 already; keep one"),
    "user twice": (dict(users="user_id,age\nu1,3\nu1,4\n"), r"users.csv, data row 2 .* 'u1' stands in data row 1 already"),
    "scene twice": (dict(scenes="name,description\nshop,a\nmusic,b\nshop,c\n"), r"scenes.csv, data row 3 .* stands in data row 1"),
    "time missing": (dict(interactions=EVENTS + "u1,b,shop,,1\n"), r"data row 4 .* column timestamp: the time is missing; fill it in"),
    "times missing": (dict(interactions=EVENTS + "u1,b,shop,,1\n" * 3), r"data row 4 \(line 5 of the file\) and 2 more rows, column timestamp"),
    "ratings of words": (dict(interactions=EVENTS + "u1,b,shop,5,good\n" * 2), r"data row 4 \(line 5 of the file\) and 1 more row, column rating"),
    "years": (dict(interactions="user_id,item_id,scene,timestamp\nu1,a,shop,2020\nu2,b,shop,2021\n"), r"data row 1 .* and 1 more row, .* the time '2020' would lie .*; write dates as 2024-05-01"),
    "days from zero": (dict(interactions="user_id,item_id,scene,timestamp\nu1,a,shop,0\nu2,b,shop,400\n"), r"data row 2 .* the time '400' would lie in the first months of 1970"),
    "long ago": (dict(interactions="user_id,item_id,scene,timestamp\nu1,a,shop,2024-05-01\nu2,b,shop,1650-12-31\n"), r"data row 2 .* the time '1650-12-31' is before 1970"),
    "after a column of two lines": (dict(interactions='user_id,item_id,scene,timestamp,"my\nnote"\nu1,a,shop,2024-05-01,x\nu1,zz,shop,2024-05-01,x\n'), r"data row 2 \(line 4 of the file\)"),
    "days of a spreadsheet": (dict(interactions="user_id,item_id,scene,timestamp\nu1,a,shop,44012.5\n"), r"the time '44012.5' would lie in the first months of 1970"),
    "time nan": (dict(interactions=EVENTS + "u1,b,shop,NaN,1\n"), r"data row 4 .* the time is missing"),
    "time negative": (dict(interactions=EVENTS + "u1,b,shop,-5,1\n"), r"data row 4 .* the time '-5' is before 1970"),
    "time infinite": (dict(interactions=EVENTS + "u1,b,shop,inf,1\n"), r"data row 4 .* after the year 9999"),
    "milliseconds": (dict(interactions=EVENTS + "u1,b,shop,1714521600000,1\n"), r"data row 4 .* divide by 1000"),
    "mixed times": (dict(interactions=EVENTS + "u1,b,shop,2024-05-01,1\n"), r"data row 4 .* the time '2024-05-01' is of another kind than the rows before"),
    "no time": (dict(interactions=EVENTS + "u1,b,shop,soon,1\n"), r"data row 4 .* the time 'soon' is neither a number nor an ISO date"),
    "rating a word": (dict(interactions=EVENTS + "u1,b,shop,5,good\n"), r"data row 4 .* column rating: 'good' is not a finite number"),
    "user missing": (dict(interactions=EVENTS + ",b,shop,5,1\n"), r"data row 4 .* column user_id: the key is missing"),
    "empty file": (dict(items=""), r"items.csv is empty"),
    "header only": (dict(interactions="user_id,item_id,scene,timestamp\n"), r"interactions.csv has a header but no rows"),
    "blank lines only": (dict(items="\n\n\n"), r"items.csv"),
    "long title": (dict(items=ITEMS + "d,shop," + "x" * 10_000_000 + "\n"), r"items.csv, data row 5 .* column title: the text has 10,000,000 characters, more than 10,000; shorten it"),
    "latin-1": (dict(items=ITEMS.encode() + "d,shop,Café\n".encode("latin-1")), r"items.csv, line 6: byte 0xe9 at position 11 is not UTF-8; save"),
    "one item": (dict(items="item_id,scene,title\na,shop,Tea\nb,shop,Cup\nc,music,Tune\n", interactions=EVENTS), r"scene 'music' has one item, and any ranking of it is perfect"),
    "no item": (dict(scenes="name\nshop\nmusic\ntravel\n"), r"scene 'travel' has no item"),
    "unknown scene": (dict(scenes="name\nshop\nbooks\n"), r"items.csv, data row 3 .* column scene: 'music' is a value the scenes table does not have"),
    "too many values": (dict(interactions=EVENTS + "u1,b,shop,5,1,9\n"), r"interactions.csv is not a readable csv table \(.*line 5.*\)"),
    "a value too many in every row": (dict(interactions="user_id,item_id,scene,timestamp\nu1,a,shop,5,9\nu1,b,shop,5,9\n"), r"interactions.csv is not a readable csv table"),
    "open quote": (dict(items=ITEMS + 'd,shop,"Tea\n'), r"items.csv is not a readable csv table"),
    "reserved name": (dict(interactions="user_id,item_id,scene,timestamp,time\nu,a,shop,5,5\n"), r"has a column time, a name this library uses"),
    "after a title of two lines": (dict(items='item_id,scene,title\na,shop,"Tea\nblack"\nb,shop,Cup\nb,shop,Cup\n'), r"data row 3 \(line 5 of the file\)"),
    "after a blank line": (dict(items="item_id,scene,title\na,shop,Tea\n\nb,shop,Cup\nb,shop,Cup\n"), r"data row 4 \(line 5 of the file\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_complaints(tmp_path, case):
    tables, message = BROKEN[case]
    with pytest.raises(BadData, match=message) as caught:
        load_tidy(_folder(tmp_path, **tables))
    assert len(str(caught.value)) < 500  # one sentence, even about a title of ten megabytes


def test_folders_that_are_not(tmp_path):
    with pytest.raises(BadData, match="is not a folder; give load_tidy"):
        load_tidy(tmp_path / "nowhere")
    with pytest.raises(BadData, match=r"has no items table \(it holds nothing\); add items.csv"):
        load_tidy(tmp_path)
    _folder(tmp_path)
    pd.read_csv(tmp_path / "items.csv").to_parquet(tmp_path / "items.parquet")
    with pytest.raises(BadData, match="both items.csv and items.parquet, and they may differ; keep one"):
        load_tidy(tmp_path)


def test_files_that_are_not(tmp_path):
    _folder(tmp_path, interactions=None)
    packed = gzip.compress(EVENTS.encode() * 200)
    for content in (packed[:-20], EVENTS.encode()):
        (tmp_path / "interactions.csv.gz").write_bytes(content)
        with pytest.raises(BadData, match="interactions.csv.gz is not a whole gzip file"):
            load_tidy(tmp_path)
    (tmp_path / "interactions.csv.gz").write_bytes(gzip.compress(EVENTS.encode() + b"u1,\xff,shop,5,1\n"))
    with pytest.raises(BadData, match="interactions.csv.gz, line 5: byte 0xff"):
        load_tidy(tmp_path)
    (tmp_path / "interactions.csv.gz").unlink()
    (tmp_path / "interactions.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(BadData, match="interactions.parquet is not a readable parquet file"):
        load_tidy(tmp_path)


def test_parquet_types(tmp_path):
    items = pd.DataFrame({"item_id": [1, 2, 3], "scene": "shop", "title": ["A", None, "C"], "price": [1.5, None, 2.0]})
    events = pd.DataFrame({"user_id": [7, 8], "item_id": [1, 3], "scene": "shop", "timestamp": pd.to_datetime(["2024-05-01 10:00", "2024-05-02 00:00"])})
    items.to_parquet(tmp_path / "items.parquet")
    events.to_parquet(tmp_path / "interactions.parquet")
    log = load_tidy(tmp_path)
    assert log.items["item_id"].tolist() == ["1", "2", "3"] and log.items["title"].tolist() == ["A", "", "C"] and log.items["price"].iloc[2] == 2.0
    assert log.events["time"].tolist() == [1_714_557_600, 1_714_608_000] and log.time_kind == "second"
    events.assign(user_id=[7.0, 8.5]).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(BadData, match=r"interactions.parquet, data row 1 and 1 more row, column user_id: the key 7.0 is a float; make all keys text"):
        load_tidy(tmp_path)
    events.assign(timestamp=[5.0, np.nan]).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(BadData, match=r"interactions.parquet, data row 2, column timestamp: the time is missing"):
        load_tidy(tmp_path)
    events.assign(timestamp=[20240501.0, 20240502.0]).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(BadData, match=r"data row 1 and 1 more row, .* the time 20240501.0 looks like a date without dashes"):
        load_tidy(tmp_path)
    events.assign(timestamp=["9999-12-31", "2024-05-02"]).set_index("user_id").to_parquet(tmp_path / "interactions.parquet")
    log = load_tidy(tmp_path)  # an index with a name is a column
    assert log.users["user_id"].tolist() == ["7", "8"] and log.events["time"].tolist() == [1_714_608_000, 253_402_214_400]
    items.assign(title=[1, 2, 3]).to_parquet(tmp_path / "items.parquet")
    with pytest.raises(BadData, match=r"items.parquet, data row 1 and 2 more rows, column title: 1 is a int, not text"):
        load_tidy(tmp_path)


KEY = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=40)


@st.composite
def _worlds(draw):
    """Items of one to three scenes (two or more each) and some events on them."""
    scenes = draw(st.lists(KEY, min_size=1, max_size=3, unique=True))
    items = [
        (item, scene, draw(TEXT))
        for scene in scenes
        for item in draw(st.lists(KEY, min_size=2, max_size=5, unique=True))
    ]  # fmt: skip
    pick = st.tuples(KEY, st.integers(0, len(items) - 1), st.integers(10**8, 2**33))
    rows = [(user, *items[at][:2], time) for user, at, time in draw(st.lists(pick, min_size=1, max_size=20))]
    return pd.DataFrame(items, columns=["item_id", "scene", "title"]), pd.DataFrame(rows, columns=["user_id", "item_id", "scene", "timestamp"])


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=_worlds())
def test_round_trip(tmp_path, ending, world):
    folder = tmp_path / "world"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    items, events = world
    for name, frame in (("items", items), ("interactions", events)):
        if ending == "parquet":
            frame.to_parquet(folder / f"{name}.{ending}")
        else:
            frame.to_csv(folder / f"{name}.{ending}", index=False)
    log = load_tidy(folder)

    def key_sets(frame, columns):
        return set(map(tuple, frame[columns].to_numpy().tolist()))

    scene = log.scenes["name"].to_numpy()
    assert scene.tolist() == list(dict.fromkeys(items["scene"]))
    back = log.items.assign(scene=scene[log.items["scene"]])
    assert key_sets(back, ["item_id", "scene", "title"]) == key_sets(items, ["item_id", "scene", "title"])
    assert log.users["user_id"].tolist() == sorted(set(events["user_id"]))
    first = events.groupby(["user_id", "item_id", "scene"], as_index=False)["timestamp"].min()
    out = pd.DataFrame({
        "user_id": log.users["user_id"].to_numpy()[log.events["user"]],
        "item_id": log.items["item_id"].to_numpy()[log.events["item"]],
        "scene": scene[log.events["scene"]],
        "timestamp": log.events["time"],
    })  # fmt: skip
    assert key_sets(out, list(out)) == key_sets(first, list(out)) and len(out) == len(first)
    assert (np.diff(log.events["time"]) >= 0).all() and log.time_kind == ("day" if (events["timestamp"] % 86_400 == 0).all() else "second")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode), TEXT.map(lambda t: (ITEMS + t).encode())))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    """Whatever lies in the file, the answer is a log or one BadData, never another error."""
    _folder(tmp_path, items=content)
    try:
        assert load_tidy(tmp_path).n_items >= 4
    except BadData as problem:
        assert "items" in str(problem) or "interactions" in str(problem)
