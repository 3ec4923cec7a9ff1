"""Last.fm, HetRec 2011: what 1,892 people listened to, the tags they gave, and who is whose friend.

Play counts are totals over each person's whole time on the site, so there is no time to split on: ``time_kind`` is ``none``.
Terms and citation: ``sources.yaml``.
"""

from __future__ import annotations

import csv
import urllib.parse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.data.log import (
    CATEGORIES,
    DESCRIPTION,
    ITEM,
    ITEM_ID,
    NAME,
    SCENE,
    TIME,
    TIMESTAMP,
    TITLE,
    USER,
    USER_ID,
    InteractionLog,
    build_log,
)
from recsys_lib.data.sources import fetch

SCENES = pd.DataFrame({NAME: ["music"], DESCRIPTION: ["Music listening on Last.fm: artists and bands of all genres, from metal and indie rock to pop, electronic music and jazz."]})


def load() -> InteractionLog:
    """Load the set: 1,892 people, 17,632 artists, 92,834 (person, artist) pairs with their play count.

    Events carry ``plays`` (int64). Items carry ``title`` (the artist's name; letters the
    source lost to "?" are restored from its address) and ``url``; ``categories`` is empty, because the
    tags were given by the same people whose listening is predicted: text made of them would give answers away. Extras, in codes:

    - ``tags``: index = tag code; ``name``
    - ``tag_assignments``: ``user``, ``item`` (-1 for artists nobody's list has), ``tag``, ``time`` (Unix second of the day); 186,479
    - ``friends``: ``user``, ``friend``; 12,717 pairs, each once, the smaller code first
    """
    folder = fetch("lastfm")
    artists = _read(folder / "artists.dat", ["artist", TITLE, "url", "picture"], header=None)
    plays = _read(folder / "user_artists.dat", ["user", "artist", "plays"])
    items = pd.DataFrame({ITEM_ID: artists["artist"], SCENE: "music", TITLE: _names(artists), CATEGORIES: "", "url": artists["url"]})
    events = pd.DataFrame({USER_ID: plays["user"], ITEM_ID: plays["artist"], SCENE: "music", TIMESTAMP: 0, "plays": plays["plays"]})
    log = build_log(events, items, SCENES, time_kind="none", name="lastfm", positive="an artist the person played")
    people, catalogue = pd.Index(log.users[USER_ID]), pd.Index(log.items[ITEM_ID])

    tags = _read(folder / "tags.dat", ["tag", NAME], encoding="latin-1").sort_values("tag", ignore_index=True)
    given = _read(folder / "user_taggedartists.dat", ["user", "artist", "tag", "day", "month", "year"])
    assignments = pd.DataFrame({
        USER: people.get_indexer(given["user"]).astype(np.int32),
        ITEM: catalogue.get_indexer(given["artist"]).astype(np.int32),
        "tag": pd.Index(tags["tag"]).get_indexer(given["tag"]).astype(np.int32),
        TIME: pd.to_datetime(given[["year", "month", "day"]]).astype("datetime64[s]").astype(np.int64),
    })  # fmt: skip
    pairs = _read(folder / "user_friends.dat", ["user", "friend"])
    both_ways = np.sort(np.stack([people.get_indexer(pairs[side]) for side in ("user", "friend")], axis=1), axis=1)
    friends = pd.DataFrame(both_ways, columns=[USER, "friend"], dtype=np.int32).drop_duplicates(ignore_index=True)
    extras = {"tags": tags[[NAME]], "tag_assignments": assignments, "friends": friends}
    return replace(log, users=log.users.drop(columns=USER_ID), extras=extras)


def _names(artists: pd.DataFrame) -> list[str]:
    """Names of artists; where the source wrote "?" for a letter it could not, the letter stands in the artist's address."""

    def whole(name: str, url: str) -> str:
        address = urllib.parse.unquote_plus(urllib.parse.unquote_plus(url.rpartition("/")[2]))
        fits = len(address) == len(name) and all(a == b or b == "?" for a, b in zip(address, name, strict=True))
        return address if fits else name

    return [whole(name.strip(), url) if "?" in name else name.strip() for name, url in zip(artists[TITLE], artists["url"], strict=True)]


def _read(path: Path, names: list[str], header: int | None = 0, encoding: str = "utf-8") -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", names=names, header=header, encoding=encoding, quoting=csv.QUOTE_NONE, keep_default_na=False)
