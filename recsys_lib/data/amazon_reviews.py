"""Amazon Reviews 2023, streamed from the Hugging Face hub: for Colab, where the hub can be reached.

The raw files are JSON lines, one file of reviews and one of products a category; they are read through ``datasets`` in
streaming mode, so only what is used crosses the network, and no script of the repository runs. Each category is a scene.

Cite: Hou, Li, He, Yan, Chen and McAuley 2024, Bridging language and items for retrieval and recommendation, arXiv:2403.03952.
Terms: research use; nothing derived row by row may be passed on. User keys are renumbered on load.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from recsys_lib.data.log import CATEGORIES, DESCRIPTION, ITEM_ID, NAME, RATING, SCENE, TIMESTAMP, TITLE, USER_ID, InteractionLog, build_log
from recsys_lib.data.sources import probe
from recsys_lib.errors import BadData, SourceUnreachable

HUB = "hf://datasets/McAuley-Lab/Amazon-Reviews-2023@2b6d039ed471f2ba5fd2acb718bf33b0a7e5598e"
REVIEWS, PRODUCTS = "raw/review_categories/{}.jsonl", "raw/meta_categories/meta_{}.jsonl"


def load(
    categories: Sequence[str] = ("All_Beauty", "Health_and_Personal_Care"),
    max_events: int = 100_000,
    max_products: int = 500_000,
    root: str = HUB,
) -> InteractionLog:
    """Read the first reviews of some categories and the products they are about.

    Args:
        categories: names as in the file names ("All_Beauty", "Gift_Cards", "Books", …); each becomes a scene.
        max_events: reviews read from each category, in file order; repeats of a person and a product count once.
        max_products: products looked through for the titles, in each category; reviews of products not among them are left out.
        root: where the two folders lie: the hub, another ``hf://`` address, or a local folder.

    Items are ``parent_asin``; they carry ``title``, ``categories`` ("A > B") and ``description``. Events carry ``rating`` and
    time in seconds; a review of any rating is a positive.

    Raises:
        SourceUnreachable: the hub does not answer (probed first, within two seconds), or breaks off.
        BadData: a category that is not there, or in which nothing was found.
    """
    if isinstance(categories, str) or not categories or max_events < 1:
        raise BadData(f"categories must be a list of names and max_events at least 1, not {categories!r} and {max_events!r}.")
    if root.startswith("hf://"):
        probe(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), "amazon-reviews-2023 (streamed from the Hugging Face hub)", instead="give root=, a local folder with the two folders of the hub")
    events, items = [], []
    for category in categories:
        reviews = _reviews(root, category, max_events)
        products = _products(root, category, set(reviews[ITEM_ID]), max_products)
        if reviews.empty or products.empty:
            raise BadData(f"{category}: {len(reviews)} reviews and {len(products)} of their products were found; raise max_events or max_products, or leave it out.")
        events.append(reviews[reviews[ITEM_ID].isin(products[ITEM_ID])])
        items.append(products)
    names = [category.replace("_", " ") for category in categories]
    scenes = pd.DataFrame({NAME: categories, DESCRIPTION: [f"Products of the category {name} in an online shop." for name in names]})
    events, items = pd.concat(events, ignore_index=True), pd.concat(items, ignore_index=True)
    return build_log(events, items, scenes, keep_user_ids=False, time_kind="second", name="amazon-reviews-2023", positive="a product the person wrote a review of")


def _rows(root: str, path: str, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of one JSON-lines file as they arrive, a few columns of each."""
    import datasets  # a second to import, and no other loader needs it

    address = f"{root.rstrip('/')}/{path}"
    try:
        stream = datasets.load_dataset("json", data_files=address, split="train", streaming=True)
        for row in stream:
            yield {column: row.get(column) for column in columns}
    except FileNotFoundError as problem:
        raise BadData(f"{address} is not there; check the category's name against the file names of the data set.") from problem
    except OSError as problem:
        raise SourceUnreachable(f"{address} broke off ({problem}); run the same line again, with a smaller max_events if it happens again.") from problem
    except (datasets.exceptions.DatasetGenerationError, ValueError) as problem:
        raise BadData(f"{address} is not JSON lines ({problem.__cause__ or problem}); fetch it again from its home.") from problem


def _reviews(root: str, category: str, limit: int) -> pd.DataFrame:
    rows = islice(_rows(root, REVIEWS.format(category), ("user_id", "parent_asin", "timestamp", "rating")), limit)
    found = pd.DataFrame(tqdm(rows, total=limit, desc=f"reviews of {category}", leave=False, delay=0.5), columns=["user_id", "parent_asin", "timestamp", "rating"])
    found = found.dropna()
    return pd.DataFrame({
        USER_ID: found["user_id"],
        ITEM_ID: found["parent_asin"],
        SCENE: category,
        TIMESTAMP: found["timestamp"].map(_seconds).astype("int64"),
        RATING: found["rating"].astype("float32"),
    })  # fmt: skip


def _seconds(stamp: Any) -> int:
    """Unix seconds; the files count milliseconds, and the json reader may have made a date of them."""
    return int(stamp.timestamp()) if hasattr(stamp, "timestamp") else int(stamp) // 1000


def _products(root: str, category: str, wanted: set[str], limit: int) -> pd.DataFrame:
    rows, missing = [], set(wanted)
    stream = islice(_rows(root, PRODUCTS.format(category), ("parent_asin", "title", "categories", "description")), limit)
    for row in tqdm(stream, total=limit, desc=f"products of {category}", leave=False, delay=0.5):
        if row["parent_asin"] in missing and (row["title"] or "").strip():
            missing.discard(row["parent_asin"])
            rows.append((row["parent_asin"], category, row["title"].strip(), " > ".join(row["categories"] or []), " ".join(row["description"] or [])))
            if not missing:
                break
    return pd.DataFrame(rows, columns=[ITEM_ID, SCENE, TITLE, CATEGORIES, DESCRIPTION])
