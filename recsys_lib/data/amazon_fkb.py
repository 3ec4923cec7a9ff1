"""Amazon food – kitchen – beauty: the same people in three scenes, with titles and the day of each review.

The set is put together from five public repositories (addresses, terms and citations: ``sources.yaml``; counts: the data card).
Food and kitchen come dated from ABXI, with titles from LLMCDSR. Beauty comes from RDRec with user and product ids but without
days; TransRec lists the same histories in the same order and has titles and categories; TiCoSeRec lists the same people line by
line with days, in an item numbering of its own. :func:`_beauty_days` finds out which of its numbers is which product.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.data.log import CATEGORIES, DESCRIPTION, ITEM_ID, NAME, SCENE, TIMESTAMP, TITLE, UNDATED, USER_ID, InteractionLog, build_log
from recsys_lib.data.sources import fetch, safe_load_object_npy, safe_unpickle

SCENES = pd.DataFrame(
    [
        ("food", "Groceries and gourmet food: tea, coffee, snacks, spices, baking ingredients, sauces and other things to eat and drink at home."),
        ("kitchen", "Home and kitchen: cookware, knives, small appliances, storage, bedding, cleaning and other equipment for the household."),
        ("beauty", "Beauty and personal care: skin care, hair care, make-up, nails, fragrance, and the tools and brushes to apply them."),
    ],
    columns=[NAME, DESCRIPTION],
)


def load(titled: bool = True, dated: bool = True) -> InteractionLog:
    """Load the set: 26,816 people, 35,452 items, 363,682 events in three scenes, time in days.

    Args:
        titled: keep only items with a title (4,236 of food and 502 of kitchen have none; with False their title is "").
        dated: keep only events whose day is known, and only items and people that then have an event; with False
            49 more events, 6 items and 4 people of beauty are there, and these events have time ``UNDATED``.

    Items carry ``title`` and ``categories`` (beauty: paths such as ``"Hair Care > Styling"``; the others: "").
    Raises SourceUnreachable where the files cannot be had.
    """
    folder = fetch("amazon-fkb")
    food_kitchen, titles = _food_kitchen(folder)
    beauty, beauty_items = _beauty(folder)
    events = pd.concat([food_kitchen, beauty], ignore_index=True)
    items = pd.concat([titles, beauty_items], ignore_index=True)
    if titled:
        items = items[items[TITLE] != ""]
        events = events[pd.MultiIndex.from_frame(events[[SCENE, ITEM_ID]]).isin(pd.MultiIndex.from_frame(items[[SCENE, ITEM_ID]]))]
    if dated:
        events = events[events[TIMESTAMP] != UNDATED]
        items = items[pd.MultiIndex.from_frame(items[[SCENE, ITEM_ID]]).isin(pd.MultiIndex.from_frame(events[[SCENE, ITEM_ID]]))]
    positive = "a product the person wrote a review of"
    return build_log(events, items, SCENES, keep_user_ids=False, time_kind="day", name="amazon-fkb", positive=positive)


def _food_kitchen(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events (user_id, item_id, scene, timestamp) and items (item_id, scene, title, categories) of ABXI with LLMCDSR's titles."""
    item_numbers = json.loads((folder / "map_item_50.txt").read_text("utf-8"))  # product → [number, 0 food / 1 kitchen]
    user_numbers = json.loads((folder / "map_user_50.txt").read_text("utf-8"))
    lines = [line.split() for line in (folder / "afk_50_preprocessed.txt").read_text("utf-8").splitlines()]
    item, day = np.array([pair.split("|") for line in lines for pair in line[1:]], dtype=np.int64).T
    user = np.repeat([int(line[0]) for line in lines], [len(line) - 1 for line in lines])

    items = pd.DataFrame({ITEM_ID: list(item_numbers), "number": [n for n, _ in item_numbers.values()], SCENE: [("food", "kitchen")[s] for _, s in item_numbers.values()]})
    text = {"food": safe_unpickle(folder / "text_A.pkl"), "kitchen": safe_unpickle(folder / "text_B.pkl")}
    items[TITLE] = [text[scene].get(product, "") for scene, product in zip(items[SCENE], items[ITEM_ID], strict=True)]
    items[CATEGORIES] = ""
    of_number = items.set_index("number")
    events = pd.DataFrame({
        USER_ID: pd.Series({n: key for key, n in user_numbers.items()})[user].to_numpy(),
        ITEM_ID: of_number[ITEM_ID][item].to_numpy(),
        SCENE: of_number[SCENE][item].to_numpy(),
        TIMESTAMP: day,
    })  # fmt: skip
    return events, items.drop(columns="number")


def _beauty(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and items of the beauty scene; events whose day cannot be found have timestamp UNDATED."""
    line, product = _histories(folder / "sequential.txt")
    _, titled = _histories(folder / "sequential_data.txt")  # position by position the same products in TransRec's numbers
    keys = json.loads((folder / "datamaps.json").read_text("utf-8"))
    user_key, product_key = (pd.Series({int(n): key for n, key in keys[kind].items()}) for kind in ("id2user", "id2item"))
    title = safe_load_object_npy(folder / "title_maps.npy").item()["id2title"]
    paths = safe_load_object_npy(folder / "category_map.npy").item()["id2category"]

    pairs = pd.DataFrame({"product": product, "titled": titled}).drop_duplicates("product")
    items = pd.DataFrame({
        ITEM_ID: product_key[pairs["product"]].to_numpy(),
        SCENE: "beauty",
        TITLE: [title.get(str(n), "").strip() for n in pairs["titled"]],
        CATEGORIES: [_categories(paths.get(str(n), [])) for n in pairs["titled"]],
    })  # fmt: skip
    _, other = _histories(folder / "Beauty_item_org_rank.txt")
    _, day = _histories(folder / "Beauty_time_org_rank.txt")
    events = pd.DataFrame({
        USER_ID: user_key[line].to_numpy(),
        ITEM_ID: product_key[product].to_numpy(),
        SCENE: "beauty",
        TIMESTAMP: _beauty_days(line, product, other, day),
    })  # fmt: skip
    return events, items


def _histories(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A file with a line a user (number, then values) as two int64 arrays: the line's first number, and the value."""
    lines = [np.array(line.split(), dtype=np.int64) for line in path.read_text("utf-8").splitlines()]
    return np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines]), np.concatenate([line[1:] for line in lines])


def _categories(paths: list[list[str]]) -> str:
    """Category paths as text: "Hair Care > Styling | Makeup > Nails"; the root "Beauty" says nothing and is left out."""
    return " | ".join(dict.fromkeys(" > ".join(path[1:] if path[:1] == ["Beauty"] else path) for path in paths if len(path) > 1))


def _beauty_days(user: np.ndarray, product: np.ndarray, other: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Day of each (user, product), from the same people's (user, other numbering, day).

    A product and a number are the same thing if the same set of people has both, and no other product or number has that set.
    What is left of a person's history gets a day only where all their unmatched days are equal.

    Args:
        user, product: int64 [n], histories without days.
        other, day: int64 [n], the same users position by position, items in another numbering and another order.

    Returns:
        int64 [n], UNDATED where no day can be told.
    """
    weight = np.random.default_rng(0).integers(2**64, size=user.max() + 1, dtype=np.uint64)[user]

    def fingerprint(item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum of its users' random numbers (mod 2^64) for each event's item, and whether only that item has this sum."""
        total = np.zeros(item.max() + 1, np.uint64)
        np.add.at(total, item, weight)
        _, group, size = np.unique(total[np.unique(item)], return_inverse=True, return_counts=True)
        alone = np.zeros(len(total), bool)
        alone[np.unique(item)] = size[group] == 1
        return total[item], alone[item]

    (mine, mine_alone), (theirs, theirs_alone) = fingerprint(product), fingerprint(other)
    known = pd.Series(day[theirs_alone], pd.MultiIndex.from_arrays([user[theirs_alone], theirs[theirs_alone]]))
    found = known.reindex(pd.MultiIndex.from_arrays([user, mine])).to_numpy()
    matched = mine_alone & ~np.isnan(found)
    used = theirs_alone & np.isin(theirs, mine[matched])
    rest = pd.Series(day[~used]).groupby(user[~used]).agg(["min", "max"])
    only = rest["min"][rest["min"] == rest["max"]].reindex(user).to_numpy()
    best = np.where(matched, found, only)
    return np.where(np.isnan(best), UNDATED, np.nan_to_num(best)).astype(np.int64)
