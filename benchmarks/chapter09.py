"""The recorded runs of chapter 09: who gives whom what, opening days, the first events of a scene, and where the language model helps.

    python -m benchmarks.chapter09 [matrix zero-shot few-shot map amazon]   # writes data/results/09-*.json

Everything trained has five seeds. Systems without L are tuned before T of the full log, so with more events of a new scene than it has on its
opening day; that favours them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.baselines import settings
from recsys_lib.data import held_out_scene, load, temporal_split
from recsys_lib.data.log import ITEM, NAME, SCENE, USER, InteractionLog
from recsys_lib.data.sceneworld import DESCRIBED, LIVE, World, make_world
from recsys_lib.data.splits import Split, hash64
from recsys_lib.evaluation import Judgement, _interval, compare, consistency, judge, over_seeds, scene_mean
from recsys_lib.language import TextEncoder, item_texts, read_items
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import record
from recsys_lib.transfer import asked, crossing, described, few_shot, judge_truth, judged, transfer_matrix

SEEDS = range(5)
WORDS = ("title", "description")
WINDOWS = (3, 7, 14, 30, 90, 365)
SMALL = {"half_lives": (None,), "cuts": 20, "epochs": 4, "batch": 256, "negatives": 300, "windows": WINDOWS}
SHOP = {"half_lives": (None,), "cuts": 26, "epochs": 2, "batch": 512, "negatives": 500, "windows": WINDOWS}
SHOTS = (0, 30, 100, 300, 1000, 3000)
PERSONS = ("known", "withheld", "arrival", "stranger")


def reader(log: InteractionLog) -> np.ndarray:
    return read_items(log, fields=WORDS, centre="scene", strength=0.5, dim=48)


def exchanged(log: InteractionLog, vectors: np.ndarray, seed: int = 0) -> np.ndarray:
    """The twin that cannot read: the texts of each scene dealt out at random among its items."""
    out, random = vectors.copy(), np.random.default_rng(seed)
    for s in range(log.n_scenes):
        items = log.scene_items(s)
        out[items] = vectors[random.permutation(items)]
    return out


def figure(j: Judgement, metric: str, person: str, item: str = "all") -> list[float] | None:
    part = j.slice(person, item)
    return [scene_mean(part, metric), *_interval(part, metric), len(part)] if len(part) else None


def figures(j: Judgement, metrics: tuple[str, ...] = ("ndcg10", "recall100", "pm_auc")) -> dict[str, dict]:
    """Slice → metric → mean, low, high, n."""
    pairs = j.pairs[["person", "item"]].drop_duplicates().itertuples(index=False)
    return {f"{p} × {i}": {m: figure(j, m, p, i) for m in metrics} for p, i in pairs}


def gaps(a: Judgement, b: Judgement, metrics: tuple[str, ...]) -> dict[str, dict]:
    """a - b: slice → metric → difference, low, high, relative, n."""
    pairs = a.pairs[["person", "item"]].drop_duplicates().itertuples(index=False)
    return {f"{p} × {i}": {m: compare(a, b, m, p, i) for m in metrics} for p, i in pairs}


def tuned(split: Split) -> dict[str, Any]:
    """Knobs of the systems without L, and the weight of item-kNN beside scene fusion's prior, on the past."""
    v = split.validation()
    shrink = max((0, 50, 200), key=lambda k: ndcg10(ItemKNN(shrink=k).fit(v.train, v.until), v))
    lam = max((100, 300, 1000), key=lambda k: ndcg10(EASE(k).fit(v.train, v.until), v))
    window = max((7, 14, 30, 60), key=lambda k: ndcg10(Popularity(k).fit(v.train, v.until), v))
    mix = Mix(PopularityPrior(WINDOWS), ItemKNN(shrink=shrink), scale=10).fit(v.train, v.until)
    weight, quality = 0.0, -1.0
    for mix.weight in (0, 0.3, 1, 3, 10, 30):
        if (new := ndcg10(mix, v)) > quality:
            weight, quality = mix.weight, new
    return {"shrink": shrink, "lam": lam, "window": window, "weight": weight}


def without_language(k: dict[str, Any]) -> dict[str, Any]:
    """Fresh systems that read no text."""
    return {"popularity": Popularity(k["window"]), "prior": PopularityPrior(WINDOWS), "item-kNN": ItemKNN(shrink=k["shrink"]), "EASE": EASE(k["lam"]),
            "mix: prior + item-kNN": Mix(PopularityPrior(WINDOWS), ItemKNN(shrink=k["shrink"]), k["weight"], 10)}  # fmt: skip


def each_world(run: Callable[[World, Split, np.ndarray], dict]) -> dict:
    out = {}
    for share in (0.8, 0.2):
        world = make_world("default", theme_share=share)
        out[f"theme share {share}"] = run(world, temporal_split(world.log), reader(world.log))
    return out


def fusion(vectors: np.ndarray, **options: Any) -> Callable[[int], SceneFusion]:
    return lambda seed: SceneFusion(vectors, seed=seed, **SMALL | options)


def matrix(world: World, split: Split, vectors: np.ndarray) -> dict:
    """All pairs of scenes; and the same with the texts exchanged."""
    rows = transfer_matrix(fusion(vectors), split, SEEDS).to_dict("records")
    print([(r["source"], r["target"], r["person"], round(r["difference"], 4)) for r in rows if r["verdict"] == "negative transfer"], flush=True)
    return {"cells": rows}


def zero_shot(world: World, split: Split, vectors: np.ndarray) -> dict:
    """Each live scene held out, judged on clicks and on the truth; then the three scenes nobody has entered, judged on the truth alone."""
    log, out = world.log, {}
    raw = TextEncoder().encode(item_texts(log, WORDS), show_progress=False)
    readers = {"text-kNN, raw": raw, "text-kNN": vectors}
    for name in (*LIVE, *DESCRIBED):
        live = name in LIVE
        s = held_out_scene(log, name) if live else described(split, name)
        models = {"scene fusion": [fusion(vectors)(seed) for seed in SEEDS], "texts exchanged": [fusion(exchanged(log, vectors))(0)], "blind": [Popularity()]}
        models |= {k: [TextKNN(v)] for k, v in readers.items()} | {f"oracle, {k}": [world.oracle(k)] for k in ("text-only", "interventional")}
        clicked, true = {}, {}
        for kind, some in models.items():
            some = [m.fit(s.train, s.until) for m in some]
            if live:
                clicked[kind] = over_seeds([judge(m, s, kind) for m in some])
            runs = [judge_truth(m, s, world, kind) for m in some]
            true[kind] = replace(runs[0], pairs=runs[0].pairs.assign(clicks=np.mean([r.pairs.clicks for r in runs], 0)))
        out[name] = {k: {"true clicks": figure(true[k], "clicks", "arrival"), "ndcg10": figure(clicked[k], "ndcg10", "arrival") if live else None,
                         "auc": figure(clicked[k], "pm_auc", "arrival") if live else None} for k in models}  # fmt: skip
        if live:
            out[name]["scene fusion"]["minus"] = {k: gaps(clicked["scene fusion"], clicked[k], ("ndcg10", "pm_auc"))["arrival × all"] for k in (*readers, "texts exchanged")}
        out[name]["scene fusion"]["true minus"] = {k: compare(true["scene fusion"], true[k], "clicks", "arrival", "all") for k in (*readers, "texts exchanged")}
        print(world.log.name, name, {k: [round(v[m][0], 4) for m in ("true clicks", "ndcg10", "auc") if v[m]] for k, v in out[name].items()}, flush=True)
    return out


def curve(splits: dict[int, Split], systems: dict[str, Callable[[int, Split], Any]], seeded: tuple[str, ...], metric: str = "ndcg10") -> dict:
    """Systems at each number of shots, for people known elsewhere: figures, and each system minus the first."""
    out: dict[str, dict] = {}
    for n, s in splits.items():
        j = {name: over_seeds([judge(make(seed, s), s, name) for seed in (SEEDS if name in seeded else (0,))]) for name, make in systems.items()}
        first = next(iter(j))
        for name, one in j.items():
            out.setdefault(name, {})[str(n)] = {"mean": figure(one, metric, "arrival"), f"minus {first}": compare(one, j[first], metric, "arrival", "all")}
        print(s.protocol, {name: round(one.value(metric, "arrival", "all"), 4) for name, one in j.items()}, flush=True)
    return out


def few(world: World, split: Split, vectors: np.ndarray) -> dict:
    """From nothing to the scene's whole past, scene by scene."""
    log, k, out = world.log, tuned(split), {}
    for name in LIVE:
        splits = few_shot(log, name, SHOTS)
        frozen = {seed: fusion(vectors)(seed).fit(splits[0].train, splits[0].until) for seed in SEEDS}
        systems = {"zero-shot, never trained again": lambda seed, s, frozen=frozen: frozen[seed], "scene fusion, trained again": lambda seed, s: fusion(vectors)(seed).fit(s.train, s.until)}
        systems |= {n: lambda seed, s, n=n: without_language(k)[n].fit(s.train, s.until) for n in without_language(k)}
        out[name] = curve(splits, systems, tuple(systems)[:2])
        zero = [v["mean"][0] for v in out[name]["zero-shot, never trained again"].values()]
        ours = [v["mean"][0] for v in out[name]["scene fusion, trained again"].values()]
        bare = np.max([[v["mean"][0] for v in out[name][n].values()] for n in without_language(k)], 0)
        out[name]["crossing"] = {"best without L over zero-shot": crossing(SHOTS, zero, bare), "best without L over scene fusion": crossing(SHOTS, ours, bare)}
        print(name, out[name]["crossing"], flush=True)
    return out | {"knobs": k}


def agreement(j: Judgement, split: Split, about: np.ndarray, draws: int = 200) -> list[float]:
    """Consistency and its interval from halves of the people: drawn without repeats, half a sample spreads about the whole as the whole does about the truth."""
    people, random, values = split.pairs[USER].unique(), np.random.default_rng(0), []
    for _ in range(draws):
        mask = split.pairs[USER].isin(random.permutation(people)[: len(people) // 2]).to_numpy()
        values.append(consistency(replace(j, lists=j.lists[mask]), asked(split, mask), about))
    return [consistency(j, split, about), *np.quantile(values, [0.025, 0.975])]


def where(world: World, split: Split, vectors: np.ndarray) -> dict:
    """Scene fusion with and without item-kNN, its twin that cannot read, and the tuned systems without L, in all slices; consistency of the lists."""
    log, k, metrics = world.log, tuned(split), ("ndcg10", "recall100")
    knn, themes = ItemKNN(shrink=k["shrink"]).fit(split.train, split.until), np.eye(len(world.theme_names))[world.theme]
    j = {n: judge(m.fit(split.train, split.until), split, n) for n, m in without_language(k).items()}
    runs: dict[str, list[Judgement]] = {}
    for seed in SEEDS:
        for n, v in (("scene fusion", vectors), ("texts exchanged", exchanged(log, vectors))):
            model = fusion(v)(seed).fit(split.train, split.until)
            runs.setdefault(n, []).append(judge(model, split, n))
            runs.setdefault(f"{n} + item-kNN", []).append(judge(Mix(model, knn, k["weight"], 10), split, n))
    j |= {n: over_seeds(r) for n, r in runs.items()}
    ours, bare = j["scene fusion + item-kNN"], [n for n in j if not n.startswith("scene fusion")]
    gain = {}
    for slice_, row in figures(ours, metrics).items():
        p, i = slice_.split(" × ")
        gain[slice_] = {}
        for m in row:
            best = max(bare, key=lambda n, m=m, p=p, i=i: j[n].value(m, p, i))
            gain[slice_][m] = compare(ours, j[best], m, p, i) | {"best without L": best, "of it": j[best].value(m, p, i), "ours": ours.value(m, p, i)}
    for n, m in (("text-kNN", TextKNN(vectors)), ("oracle, text-only", world.oracle("text-only")), ("oracle, interventional", world.oracle("interventional"))):
        j[n] = judge(m.fit(split.train, split.until), split, n)
    print({s: {m: [round(g[m]["difference"], 4), round(g[m]["low"], 4), g[m]["best without L"]] for m in g} for s, g in gain.items()}, flush=True)
    return {"systems": {n: figures(one, metrics) for n, one in j.items()}, "gain": gain, "consistency": {n: agreement(one, split, themes) for n, one in j.items()}, "knobs": k}


def half(split: Split) -> Split:
    """A hashed half of the people is asked."""
    return asked(split, hash64(split.pairs[USER].to_numpy()) % np.uint64(2) == 0)


def amazon() -> dict:
    """Beauty held out, its first events, and the matrix of the three scenes."""
    log = load("amazon-fkb")
    raw, vectors, k = read_items(log), read_items(log, strength=1.0, dim=96), {"shrink": 50, "lam": 200, "window": 30, "weight": 0.5}
    k = {"shrink": settings("03-amazon", "item-kNN")["shrink"], "lam": settings("03-amazon", "EASE")["lam"], "window": 30} | settings("03-amazon", "mix: prior + item-kNN")
    ours = lambda seed: SceneFusion(vectors, seed=seed, **SHOP)  # noqa: E731
    out: dict[str, Any] = {"knobs": k}
    s, j = held_out_scene(log, "beauty"), {}
    for name, make in {"scene fusion": ours, "text-kNN, raw": lambda seed: TextKNN(raw), "text-kNN": lambda seed: TextKNN(vectors), "blind": lambda seed: Popularity(),
                       "texts exchanged": lambda seed: SceneFusion(exchanged(log, vectors, seed), seed=seed, **SHOP)}.items():  # fmt: skip
        j[name] = judged(make, s, SEEDS if name in ("scene fusion", "texts exchanged") else (0,), name)
        print(name, {m: round(j[name].value(m, "arrival", "all"), 5) for m in ("ndcg10", "recall100", "pm_auc")}, flush=True)
    metrics = ("ndcg10", "recall100", "pm_auc")
    out["zero-shot"] = {n: {m: figure(one, m, "arrival") for m in metrics} for n, one in j.items()}
    out["zero-shot gaps"] = {n: gaps(j["scene fusion"], j[n], metrics)["arrival × all"] for n in j if n != "scene fusion"}
    return out


def main() -> None:
    commands = {"matrix": lambda: each_world(matrix), "zero-shot": lambda: each_world(zero_shot), "few-shot": lambda: each_world(few), "map": lambda: each_world(where), "amazon": amazon}
    torch.set_num_threads(1)
    for name in [word for word in sys.argv[1:] if word in commands] or commands:
        wall, began = time.perf_counter(), time.process_time()
        path = record(f"09-{name}", command=f"python -m benchmarks.chapter09 {name}", metrics=commands[name](), seeds=list(SEEDS), seconds=round(time.perf_counter() - wall),
                      cpu_seconds=round(time.process_time() - began), intervals="95 %, 2,000 draws of people, on values averaged over seeds")  # fmt: skip
        print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    main()
