"""Data: one shape for all (:class:`InteractionLog`), one call for each data set (:func:`load`), your own tables (:func:`load_tidy`)."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from inspect import signature
from typing import Any

from recsys_lib.data.log import InteractionLog, build_log
from recsys_lib.data.tidy import load_tidy
from recsys_lib.errors import BadData, SourceUnreachable

_SPLITS = ("Split", "held_out_scene", "leave_one_out", "source_split", "temporal_split")
LOADERS = {
    "sceneworld": "sceneworld",
    "amazon-fkb": "amazon_fkb",
    "movielens-1m": "movielens",
    "movielens-100k": "movielens",
    "lastfm": "lastfm",
    "microlens-50k": "microlens",
    "bing-news": "bing_news",
    "amazon-reviews-2023": "amazon_reviews",
}
"""Data sets by name, and the module of each. A module's ``load`` takes the options; ``movielens`` also takes the name."""

__all__ = ["LOADERS", "InteractionLog", "build_log", "load", "load_if_reachable", "load_tidy", "sceneworld", *_SPLITS]


def load(name: str, **options: Any) -> InteractionLog:
    """Load a data set by name.

    Args:
        name: ``sceneworld`` (made on the spot), ``amazon-fkb``, ``movielens-1m``, ``movielens-100k``, ``lastfm``,
            ``microlens-50k``, ``bing-news``, or ``amazon-reviews-2023`` (streamed from the hub).
        **options: options of that loader; see its module.

    Raises:
        BadData: there is no such data set, or it has no such option; an option has an impossible value.
        SourceUnreachable: its files are in no cache and no mirror, and their home does not answer.
    """
    if name not in LOADERS:
        raise BadData(f"no data set is called {name!r}; the known ones are {', '.join(LOADERS)}, and load_tidy(folder) reads your own.")
    module = import_module(f"recsys_lib.data.{LOADERS[name]}")
    make = module.make_world if name == "sceneworld" else partial(module.load, name) if LOADERS[name] == "movielens" else module.load
    known = signature(make).parameters
    if wrong := [option for option in options if option not in known]:
        raise BadData(f"{name} has no option {wrong[0]!r}; it has {', '.join(known) or 'none'}.")
    made = make(**options)
    return made.log if name == "sceneworld" else made


def load_if_reachable(name: str, **options: Any) -> InteractionLog | None:
    """:func:`load`, or ``None`` after one printed sentence where the files cannot be reached."""
    try:
        return load(name, **options)
    except SourceUnreachable as problem:
        print(f"{name} is left out here: {problem}")
        return None


def __getattr__(name: str) -> Any:
    if name in _SPLITS:
        return getattr(import_module("recsys_lib.data.splits"), name)
    if name == "sceneworld":
        return import_module("recsys_lib.data.sceneworld")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
