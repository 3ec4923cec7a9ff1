"""MicroLens-50K: short videos with titles (Chinese, machine-translated to English), and what 49,887 people watched, in order.

Only the order within a person's history is known (``time_kind`` ``order``), and the source's own cut of each history into
training, validation and test. Terms and citation: ``sources.yaml``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_lib.data.log import CATEGORIES, DESCRIPTION, ITEM_ID, NAME, SCENE, TIMESTAMP, TITLE, USER_ID, InteractionLog, build_log
from recsys_lib.data.sources import fetch, safe_load_object_npy

SCENES = pd.DataFrame({NAME: ["video"], DESCRIPTION: ["Short videos on a Chinese video platform: food, comedy, music, films, games, sports, animals, news and daily life."]})
PARTS = ("train", "validation", "test")


def load() -> InteractionLog:
    """Load the set: 49,887 people, 19,217 videos, 359,048 views.

    Events carry ``time`` (0, 1, 2, … within a person's history) and ``part`` (``train``, ``validation``, ``test``: 287,768,
    35,970 and 35,310 views). Items carry ``title`` (up to 6,293 characters, hashtags included); ``categories`` is "".
    """
    folder = fetch("microlens-50k")
    parts = [safe_load_object_npy(folder / f"{name}_dict.npy").item() for name in ("training", "validation", "testing")]
    titles = safe_load_object_npy(folder / "title_maps.npy").item()["recid2title"]
    people = sorted(parts[0])
    views = pd.DataFrame({
        USER_ID: np.concatenate([np.repeat(people, [len(part[user]) for user in people]) for part in parts]),
        ITEM_ID: np.concatenate([np.concatenate([np.array(part[user], dtype=np.int64) for user in people]) for part in parts]),
        "part": np.repeat(PARTS, [sum(map(len, part.values())) for part in parts]),
        SCENE: "video",
    })  # fmt: skip
    views[TIMESTAMP] = views.groupby(USER_ID).cumcount()  # the parts follow each other, and each is in order
    items = pd.DataFrame({ITEM_ID: list(titles), SCENE: "video", TITLE: [title.strip() for title in titles.values()], CATEGORIES: ""})
    return build_log(views, items, SCENES, keep_user_ids=False, time_kind="order", name="microlens-50k", positive="a video the person watched and commented on")
