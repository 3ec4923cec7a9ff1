"""Real data: the counts a correct parser reaches, to the unit; and the hub's format, on files written here."""

import hashlib
import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_lib.data import load
from recsys_lib.data.log import UNDATED
from recsys_lib.errors import BadData, SourceUnreachable


def _per_scene(log, column):
    return log.events.groupby("scene")[column].nunique().tolist()


@pytest.mark.needs("amazon-fkb")
def test_amazon_counts_with_and_without_titles(amazon_fkb):
    everything = load("amazon-fkb", titled=False, dated=False)
    assert np.bincount(everything.items["scene"]).tolist() == [11_837, 16_258, 12_101]
    assert np.bincount(everything.events["scene"]).tolist() == [83_663, 89_885, 198_502]
    assert (everything.items["title"] == "").groupby(everything.items["scene"]).sum().tolist() == [4_236, 502, 0]
    titled = load("amazon-fkb", dated=False)
    assert np.bincount(titled.items["scene"]).tolist() == [7_601, 15_756, 12_101]
    assert np.bincount(titled.events["scene"]).tolist() == [76_212, 89_017, 198_502]
    assert _per_scene(titled, "user") == [7_140, 7_144, 22_363]
    undated = titled.events[titled.events["time"] == UNDATED]
    assert len(undated) == 49 and set(undated["scene"]) == {2}
    assert np.bincount(amazon_fkb.events["scene"]).tolist() == [76_212, 89_017, 198_453]
    assert len(amazon_fkb.events) == 363_682


@pytest.mark.needs("amazon-fkb")
def test_amazon_people_are_shared(amazon_fkb):
    titled = load("amazon-fkb", dated=False)
    n = titled.events.groupby(["user", "scene"]).size().unstack(fill_value=0).to_numpy()
    assert ((n[:, 0] > 0) & (n[:, 1] > 0)).sum() == 7_140
    assert ((n[:, 0] > 0) & (n[:, 2] > 0)).sum() == 2_687
    assert (n >= 3).all(axis=1).sum() == 2_659
    assert list(amazon_fkb.users.columns) == []  # no key of a person is kept
    assert amazon_fkb.n_users == 26_816 and amazon_fkb.n_items == 35_452


@pytest.mark.needs("amazon-fkb")
def test_amazon_frozen_split_totals(amazon_fkb):
    time_ = amazon_fkb.events["time"].to_numpy()
    assert (time_ % 86_400 == 0).all() and amazon_fkb.time_kind == "day"
    cut = np.quantile(time_, 0.8, method="lower")
    assert pd.Timestamp(cut, unit="s") == pd.Timestamp("2014-02-19")
    assert pd.Timestamp(time_.max(), unit="s") == pd.Timestamp("2014-07-23")
    assert (time_ < cut).sum() == 290_668


@pytest.mark.needs("amazon-fkb")
def test_amazon_items_read_well(amazon_fkb):
    items = amazon_fkb.items
    assert amazon_fkb.scenes["name"].tolist() == ["food", "kitchen", "beauty"]
    assert amazon_fkb.scenes["description"].str.len().min() > 60
    assert items["title"].str.len().min() > 0
    in_beauty = items["scene"] == 2
    assert (items.loc[~in_beauty, "categories"] == "").all() and items.loc[in_beauty, "categories"].str.contains(" > ").mean() > 0.9
    nails = items.loc[in_beauty & items["title"].str.contains("Nail Polish"), "categories"]
    assert len(nails) > 30 and nails.str.contains("Nail").mean() > 0.9  # titles, categories and products belong together
    for scene in range(3):
        keys = items.loc[items["scene"] == scene, "item_id"]
        assert keys.is_monotonic_increasing and keys.is_unique


@pytest.mark.needs("movielens-1m")
def test_movielens_1m():
    log = load("movielens-1m")
    assert (log.n_users, log.n_items, len(log.events)) == (6_040, 3_706, 1_000_209)
    assert log.events["rating"].value_counts().sort_index().tolist() == [56_174, 107_557, 261_197, 348_971, 226_310]
    assert log.users["gender"].value_counts().to_dict() == {"M": 4_331, "F": 1_709}
    assert log.users["occupation"].iloc[0] == "K-12 student" and log.time_kind == "second"
    film = log.items.set_index("title").loc["Toy Story (1995)"]
    assert film["categories"] == "Animation, Children's, Comedy" and film["year"] == 1995
    assert "zip_code" not in log.users and "user_id" not in log.users


@pytest.mark.needs("movielens-100k")
def test_movielens_100k_with_its_graph():
    log = load("movielens-100k")
    assert (log.n_users, log.n_items, len(log.events)) == (943, 1_682, 100_000)
    triples, entities, relations = (log.extras[name] for name in ("triples", "entities", "relations"))
    assert len(triples) == 91_631 and len(entities) == 34_628 and len(relations) == 24
    assert (entities["item"] >= 0).sum() == 1_598 and entities["item"].max() < log.n_items
    film = entities.index[entities["item"] == log.items.index[log.items["title"] == "Pulp Fiction (1994)"][0]][0]
    directed = triples[(triples["head"] == film) & (triples["relation"] == relations.index[relations["name"] == "film.film.directed_by"][0])]
    assert len(directed) >= 1


@pytest.mark.needs("lastfm")
def test_lastfm():
    log = load("lastfm")
    assert (log.n_users, log.n_items, len(log.events)) == (1_892, 17_632, 92_834)
    assert log.time_kind == "none" and (log.events["time"] == 0).all() and log.events["plays"].min() >= 1
    assert len(log.extras["tag_assignments"]) == 186_479 and len(log.extras["friends"]) == 12_717 and len(log.extras["tags"]) == 11_946
    assert (log.extras["friends"]["user"] < log.extras["friends"]["friend"]).all()
    assert (log.extras["tag_assignments"]["item"] == -1).sum() == 1_538
    assert log.items["title"].is_unique and "The Crüxshadows" in set(log.items["title"]) and "嵐" in set(log.items["title"])


@pytest.mark.needs("microlens-50k")
def test_microlens():
    log = load("microlens-50k")
    assert (log.n_users, log.n_items, len(log.events)) == (49_887, 19_217, 359_048)
    assert log.events["part"].value_counts().to_dict() == {"train": 287_768, "validation": 35_970, "test": 35_310}
    assert log.time_kind == "order" and (log.items["title"] != "").all()
    first = log.events[log.events["user"] == 0].sort_values("time")
    assert first["time"].tolist() == list(range(len(first)))
    assert first["item"].tolist() == [16698, 3567, 16663, 14795, 1112, 13360, 13678]
    assert first["part"].tolist() == ["train"] * 4 + ["validation"] + ["test"] * 2


@pytest.mark.needs("bing-news")
def test_bing_news():
    log = load("bing-news")
    shown = log.extras["impressions"]
    assert (log.n_users, log.n_items) == (469, 9_075)
    assert shown["click"].value_counts().to_dict() == {1: 6_576, 0: 4_287} and shown["part"].value_counts().to_dict() == {"train": 10_401, "test": 462}
    assert len(log.events) == len(shown[shown["click"] == 1].drop_duplicates(["user", "item"])) == 6_560
    assert log.time_kind == "none" and set(log.events["part"]) == {"train", "test"}
    tea = log.items["title"] == "tautog bite coming strong"
    assert log.items.loc[tea, "categories"].tolist() == ["Tautog"]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.needs(n)) for n in ("amazon-fkb", "movielens-1m", "movielens-100k", "lastfm", "microlens-50k", "bing-news")]
)
def test_loaded_events_are_those_of_the_card(name):
    card = (Path(__file__).parent.parent / "data" / "cards" / f"{name}.md").read_text("utf-8")
    events = load(name).events[["user", "item", "time"]].to_numpy("<i8")
    assert hashlib.sha256(events.tobytes()).hexdigest() == re.search(r"sha256 `([0-9a-f]{64})`", card)[1]
    assert f"{len(events):,}" in card


def _write_category(root, category, reviews, products):
    for path, rows in ((f"raw/review_categories/{category}.jsonl", reviews), (f"raw/meta_categories/meta_{category}.jsonl", products)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _review(user, product, stamp, rating=5.0):
    return {
        "rating": rating, "title": "Fine", "text": "Works.", "images": [], "asin": product + "X", "parent_asin": product,
        "user_id": user, "timestamp": stamp, "helpful_vote": 0, "verified_purchase": True,
    }  # fmt: skip


def _product(key, title, **more):
    return {
        "main_category": "All Beauty", "title": title, "average_rating": 4.1, "rating_number": 7, "features": [], "description": ["Soft.", "Mild."],
        "price": None, "images": [], "videos": [], "store": "S", "categories": ["Beauty", "Soap"], "details": {"Brand": "B"}, "parent_asin": key, "bought_together": None,
    } | more  # fmt: skip


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    root = tmp_path / "hub"
    _write_category(
        root, "All_Beauty",
        [_review("u1", "B1", 1_588_687_728_923), _review("u2", "B1", 1_588_687_729_000, 1.0), _review("u1", "B2", 1_600_000_000_000), _review("u1", "B1", 1_577_836_800_000), _review("u3", "B9", 1)],
        [_product("B1", "Rose soap", price="12.99"), _product("B2", "Oat soap", details={"Color": "Red", "Size": "2"}), _product("B3", "Nobody's soap"), _product("B9", "")],
    )  # fmt: skip
    _write_category(root, "Gift_Cards", [_review("u2", "G1", 1_600_000_000_000), _review("u4", "G2", 1_600_000_001_000)], [_product("G2", "Card"), _product("G1", "Box", categories=[])])
    return root


def test_amazon_reviews_2023_from_files_of_its_format(hub):
    log = load("amazon-reviews-2023", categories=["All_Beauty", "Gift_Cards"], root=str(hub))
    assert log.scenes["name"].tolist() == ["All_Beauty", "Gift_Cards"]
    assert log.items["title"].tolist() == ["Rose soap", "Oat soap", "Box", "Card"]
    assert log.items["categories"].tolist() == ["Beauty > Soap", "Beauty > Soap", "", "Beauty > Soap"]
    assert log.items["description"].iloc[0] == "Soft. Mild."
    assert len(log.events) == 5 and log.time_kind == "second" and list(log.users.columns) == []
    assert log.events["time"].min() == 1_577_836_800  # the earlier of two reviews of one product
    few = load("amazon-reviews-2023", categories=["All_Beauty"], max_events=2, root=str(hub))
    assert few.n_items == 1 and len(few.events) == 2


def test_amazon_reviews_2023_complaints(hub, monkeypatch):
    with pytest.raises(BadData, match="is not there; check the category's name"):
        load("amazon-reviews-2023", categories=["All_Beuaty"], root=str(hub))
    with pytest.raises(BadData, match="raise max_events or max_products"):
        load("amazon-reviews-2023", categories=["Gift_Cards"], max_events=1, max_products=1, root=str(hub))
    with pytest.raises(BadData, match="must be a list"):
        load("amazon-reviews-2023", categories="Gift_Cards", root=str(hub))
    (hub / "raw/review_categories/Gift_Cards.jsonl").write_text("this is not json\n")
    with pytest.raises(BadData, match="is not JSON lines"):
        load("amazon-reviews-2023", categories=["Gift_Cards"], root=str(hub))


def test_amazon_reviews_2023_without_the_hub(offline):
    start = time.monotonic()
    with pytest.raises(SourceUnreachable, match="Hugging Face hub"):
        load("amazon-reviews-2023")
    assert time.monotonic() - start < 2
