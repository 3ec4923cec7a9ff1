"""SceneWorld: a made-up world of people, scenes and things whose truth is known.

One population acts in shopping, music, video, news and travel; fitness, education and finance exist only as descriptions
and catalogues. Nothing is downloaded, everything follows from the seed. The laws are in
:mod:`recsys_lib.data.sceneworld_truth`, the words in :mod:`recsys_lib.data.sceneworld_text`, the ideal systems in
:mod:`recsys_lib.data.sceneworld_oracles`; ``data/cards/sceneworld.md`` says what the world can and cannot show.

    world = make_world("default", theme_share=0.8)
    world.log                       # an InteractionLog: events are clicks
    world.utility(users, items)     # and the truth behind it

Frozen: :data:`VERSION` and :data:`CHECKSUM` pin a reference draw. A change of the world needs a new version and a reason that
is not a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.data import sceneworld_media as media
from recsys_lib.data.log import InteractionLog
from recsys_lib.data.sceneworld_draw import draw_truth
from recsys_lib.data.sceneworld_tables import DESCRIBED, LIVE, START, VERSION, YEAR, dirty_records, numbered, scene_table, tables_in_memory
from recsys_lib.data.sceneworld_text import lexicon
from recsys_lib.data.sceneworld_truth import BOT_CLICK, Truth, stream
from recsys_lib.errors import BadData

__all__ = ["CHECKSUM", "DESCRIBED", "LIVE", "NOW", "PRESETS", "START", "VERSION", "YEAR", "Preset", "World", "checksum", "make_world"]

CHECKSUM = "54a750c8706cc28d2bddb630c078127bc6462c6d004c0499aba32250f00ef3a2"  # of make_world("tiny")
NOW = START + int(0.9 * YEAR)  # the time at which utility is taken when none is given
AGES, GENDERS = ("18-24", "25-34", "35-49", "50-64", "65+"), ("female", "male", "other")
REGIONS, DEVICES = ("coast", "plains", "hills", "lakes", "islands", "capital"), ("phone", "laptop", "tablet")


@dataclass(frozen=True)
class Preset:
    """Size of a world: people, items a scene, how many impressions (or clicks), the scene that gets half of them, and form."""

    users: int
    items: int
    target: int
    clicks: bool = False
    focus: str | None = None
    sub_scenes: int = 1
    chunked: bool = False


PRESETS = {
    "tiny": Preset(500, 100, 20_000),
    "default": Preset(5_000, 600, 300_000),
    "shop-100k": Preset(10_000, 5_000, 100_000, True, "shopping"),
    "music-1m": Preset(50_000, 20_000, 1_000_000, True, "music"),
    "video-500k": Preset(30_000, 10_000, 500_000, True, "video"),
    "xl-10m": Preset(500_000, 100_000, 10_000_000, chunked=True),
    "many-scenes": Preset(6_000, 200, 500_000, sub_scenes=8),
}


@dataclass(eq=False)
class World:
    """A log and the truth behind it. Made by :func:`make_world`.

    Attributes:
        log: the :class:`InteractionLog`. ``users``: user_id, age_band, gender, region, device. ``items``: scene, item_id, title,
            description, form, maker, born (Unix seconds; may lie before :data:`START`) and one categorical column for each
            attribute (price, size, tempo, …; missing in other scenes). ``events``: clicks, with rating (1–5), favourite (bool), dwell (seconds).
            ``extras``: impressions (user, item, scene, time, propensity, click; by scene, then time), reviews (user, item, scene, time,
            rating, text), triples (head, relation, tail), entities (name, kind), dirty (kind, user, item, other). Chunked presets have only
            dirty there; their impressions come from :meth:`impressions`.
        truth: the latent variables, :class:`recsys_lib.data.sceneworld_truth.Truth`.
        knobs: the arguments the world was made with.
        folder: where a chunked preset lies, else ``None``.
    """

    log: InteractionLog
    truth: Truth
    knobs: dict[str, Any]
    folder: Path | None = None

    theme = property(lambda self: self.truth.theme, doc="Theme of each item: int8 [n_items], index into :attr:`theme_names`.")
    theme_names = property(lambda self: lexicon().themes, doc="The 24 themes.")

    def _pairs(self, users: Any, items: Any) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        users, items = np.broadcast_arrays(np.asarray(users, np.int64), np.asarray(items, np.int64))
        for code, size, what in ((users, self.truth.n_users, "user"), (items, self.truth.n_items, "item")):
            if code.size and (code.min() < 0 or code.max() >= size):
                raise BadData(f"{what} code {int(code[(code < 0) | (code >= size)][0])} is outside 0 … {size - 1} of this world.")
        return users.ravel(), items.ravel(), users.shape

    def utility(self, users: Any, items: Any, time: Any = None) -> np.ndarray:
        """True utility of pairs: float64, shape of ``users`` and ``items`` broadcast together.

        ``time``: Unix seconds (scalar, or one a pair); ``None`` means :data:`NOW`. Variance one over people × items of a scene × the year.
        """
        u, i, shape = self._pairs(users, items)
        return self.truth.utility(u, i, _fraction(time, shape)).reshape(shape)

    def click_probability(self, users: Any, items: Any, time: Any = None) -> np.ndarray:
        """P(click | shown): float64, shapes as in :meth:`utility`; .9 for bots."""
        u, i, shape = self._pairs(users, items)
        p = self.truth.click(u, i, _fraction(time, shape))
        return np.where(self.truth.bot[u], BOT_CLICK, p).reshape(shape)

    def propensity(self, users: Any, items: Any, since: int | None = None, until: int | None = None) -> np.ndarray:
        """P(shown at least once between two times, Unix seconds; default the whole year) = 1 - exp(-Λ): float64, shapes as in :meth:`utility`."""
        u, i, shape = self._pairs(users, items)
        low, high = 0.0 if since is None else _fraction(since, ()), 1.0 if until is None else _fraction(until, ())
        return -np.expm1(-self.truth.intensity(u, i, low, high)).reshape(shape)

    def attribution(self, user: int, item: int, time: int | None = None) -> dict[str, float]:
        """Why: the summands of one pair's utility by name, in an order in which ``sum(….values())`` is the utility, exactly."""
        u, i, _ = self._pairs([user], [item])
        parts = [float(p[0]) for p in self.truth.parts(u, i, _fraction(time, (1,)))]
        first, second = lexicon().scenes[self._parent(int(i[0]))].attributes
        names = ["theme", "hidden taste", first, second, "season", "quality", "popularity"]
        return {n: p for n, p in zip(names, parts, strict=True) if n != "season" or self.truth.season[i[0]] >= 0}

    def _parent(self, item: int) -> str:
        return (LIVE + DESCRIBED)[self.truth.parent[self.truth.scene[item]]]

    def cover(self, items: Any) -> np.ndarray:
        """Cover pictures: uint8 [n, 32, 32, 3]; see :mod:`recsys_lib.data.sceneworld_media` for what they reveal."""
        return media.cover(self.truth, self._pairs(0, items)[1], self.knobs["seed"])

    def sound(self, items: Any) -> np.ndarray:
        """Sound features: float32 [n, 16]; see :mod:`recsys_lib.data.sceneworld_media` for what they reveal."""
        return media.sound(self.truth, self._pairs(0, items)[1], self.knobs["seed"])

    def oracle(self, kind: str, profile: bool = False) -> Any:
        """One of the contract's ideal systems: ``"logged"``, ``"interventional"`` or ``"text-only"`` (``profile``: it also knows age band and gender)."""
        from recsys_lib.data.sceneworld_oracles import make_oracle

        return make_oracle(self, kind, profile)

    def impressions(self) -> Iterator[pd.DataFrame]:
        """The impressions, one frame a scene, each sorted by time; the way to read them in a chunked preset."""
        for s in range(self.truth.n_live):
            if self.folder is not None:
                yield pd.read_parquet(self.folder / f"impressions-{s:02d}.parquet")
            else:
                table = self.log.extras["impressions"]
                yield table[table["scene"].to_numpy() == s].reset_index(drop=True)


def _fraction(time: Any, shape: tuple[int, ...]) -> Any:
    """Unix seconds to the fraction of the year, flat."""
    t = (np.asarray(NOW if time is None else time, np.float64) - START) / YEAR
    return float(t) if t.ndim == 0 else np.broadcast_to(t, shape).ravel()


def make_world(
    preset: str = "default", theme_share: float = 0.8, overlap: float = 0.0, boilerplate: float = 0.3, seed: int = 7, *,
    dirty: float = 0.01, users: int | None = None, items: int | None = None, target: int | None = None, cache: str | Path | None = None,
) -> World:  # fmt: skip
    """Make a world. Equal arguments give equal worlds.

    Args:
        preset: a key of :data:`PRESETS`; sets people, items a scene and the number of impressions or clicks.
        theme_share: variance share of the theme part of utility; the book's two worlds are .2 and .8.
        overlap: 0 … .5, probability that a content phrase of an item is one that all scenes share.
        boilerplate: 0 … 1, probability of each of two closing phrases of the scene in a description.
        seed: of everything.
        dirty: share of wrong texts and of duplicates among items; .3 of it are bots among people.
        users, items, target: replace the preset's numbers of people, items a scene, impressions (or clicks).
        cache: folder for chunked presets; default ``sceneworld/`` in the library's cache.

    Raises:
        BadData: an unknown preset, or a knob outside its range.
    """
    if preset not in PRESETS:
        raise BadData(f"there is no preset {preset!r}; use one of {', '.join(PRESETS)}.")
    for name, value, high in (
        ("theme_share", theme_share, 1),
        ("overlap", overlap, 0.5),
        ("boilerplate", boilerplate, 1),
        ("dirty", dirty, 0.2),
    ):
        if not isinstance(value, (int, float, np.number)) or not 0 <= value <= high:
            raise BadData(f"{name} is {value}; it must lie between 0 and {high}.")
    for name, count, low in (("users", users, 20), ("items", items, 20), ("target", target, 1), ("seed", seed, 0)):
        if count is not None and (not isinstance(count, (int, np.integer)) or count < low):
            raise BadData(f"{name} is {count!r}; give a whole number, {low} or more.")
    p = PRESETS[preset]
    own = {name: count for name, count in (("users", users), ("items", items), ("target", target)) if count is not None}
    p = replace(p, **own)
    knobs = {
        "preset": preset,
        "theme_share": theme_share,
        "overlap": overlap,
        "boilerplate": boilerplate,
        "seed": seed,
        "dirty": dirty,
        "size": p,
    }
    scenes, parent, sizes, allowed = scene_table(p.items, p.sub_scenes)
    live = int((parent < len(LIVE)).sum())
    focus = np.array([4.0 if p.focus == n else 1.0 for n in scenes["name"][:live]])
    truth = draw_truth(p.users, sizes, parent, focus / focus.sum(), allowed, theme_share, dirty, seed)
    truth.fix_rate(p.target, p.clicks, stream(seed, 6))
    if p.chunked:
        from recsys_lib.data.sceneworld_chunks import stored

        tables, folder = stored(truth, scenes, knobs, cache)
    else:
        tables, folder = tables_in_memory(truth, scenes, knobs), None
    people = pd.DataFrame({"user_id": numbered("u", p.users)} | {
        n: pd.Categorical.from_codes(c, names)
        for n, c, names in (("age_band", truth.age, AGES), ("gender", truth.gender, GENDERS), ("region", truth.region, REGIONS), ("device", truth.device, DEVICES))
    })  # fmt: skip
    extras = {k: v for k, v in tables.items() if k not in ("items", "events")} | {"dirty": dirty_records(truth)}
    name = f"sceneworld {preset}, theme share {theme_share}"
    log = InteractionLog(people, tables["items"], scenes, tables["events"], "second", name, "a click", extras)
    return World(log, truth, knobs, folder)


def checksum(world: World) -> str:
    """sha256 over a world's codes, times, texts and rounded truth: one value on every platform."""
    digest, log, n = hashlib.sha256(), world.log, world.truth.n_items
    for frame, columns in (
        (log.events, ["user", "item", "time", "rating"]),
        (log.extras["impressions"], ["user", "item", "time", "click"]),
    ):
        digest.update(np.ascontiguousarray(frame[columns].to_numpy(np.int64)).astype("<i8").tobytes())
    digest.update("\n".join([*log.items["title"], *log.items["description"]]).encode())
    pairs = np.arange(50) % world.truth.n_users, (np.arange(50) * 97) % n
    digest.update(" ".join(f"{x:.2f}" for f in (world.utility, world.propensity) for x in f(*pairs)).encode())
    return digest.hexdigest()
