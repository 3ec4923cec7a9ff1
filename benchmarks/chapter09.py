"""The recorded runs of chapter 09: who gives whom what, opening days, the first events of a scene, and where the language model helps.

    python -m benchmarks.chapter09 [zero-shot matrix map few-shot amazon amazon-matrix]   # writes data/results/09-*.json

Everything trained has five seeds. Systems without L are tuned before T of the full log, which favours them where a scene has just opened.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.baselines import settings
from benchmarks.scene_fusion import gaps
from recsys_lib.data import held_out_scene, load, temporal_split
from recsys_lib.data.log import SCENE, USER, InteractionLog
from recsys_lib.data.sceneworld import DESCRIBED, LIVE, World, make_world
from recsys_lib.data.splits import Split
from recsys_lib.evaluation import Judgement, _interval, compare, consistency, judge, over_seeds, scene_mean
from recsys_lib.language import read_items, unit, whiten
from recsys_lib.models.ease import EASE
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.new_items import NewItemLane
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import record
from recsys_lib.scenes import among_neighbours
from recsys_lib.transfer import asked, crossing, described, few_shot, judge_truth, judged, restricted, transfer_matrix

SEEDS = range(5)
INTERVALS = "95 %, 2,000 draws of people, on values averaged over seeds"
WORDS = ("title", "description")
WINDOWS = (3, 7, 14, 30, 90, 365)
SMALL = {"half_lives": (None,), "cuts": 20, "epochs": 4, "batch": 256, "negatives": 300, "windows": WINDOWS}
SHOP = {"half_lives": (None,), "cuts": 26, "epochs": 2, "batch": 512, "negatives": 500, "windows": WINDOWS}
SHOTS, SHOWN = (0, 300, 1000, 5000), {0.8: ("music", "travel"), 0.2: ("travel",)}


def reader(log: InteractionLog) -> np.ndarray:
    """Scene-centred MiniLM, read among neighbours, 48 axes: what the openings before T chose (see ``readings``)."""
    near = among_neighbours(read_items(log, fields=WORDS, centre="scene"), log.items[SCENE].to_numpy())
    return unit(whiten(near, 48, 0.0))


def readings(log: InteractionLog) -> dict:
    """Text-kNN with more or less reading among neighbours, at an opening of each scene before T: setting → NDCG@10 of each scene."""
    past, plain, out = temporal_split(log, withhold=0).train, read_items(log, fields=WORDS, centre="scene"), {}
    openings = [held_out_scene(past, name, quantile=0.875) for name in LIVE]
    for k, rounds in ((1, 0), (5, 1), (10, 1), (20, 1), (10, 2), (10, 4)):
        near = among_neighbours(plain, log.items[SCENE].to_numpy(), k, rounds)
        for name, v in (("all axes", near), ("48 axes", unit(whiten(near, 48, 0.0))), ("48 axes, half whitened", unit(whiten(near, 48, 0.5)))):
            out[f"{k} neighbours, {rounds} rounds, {name}"] = [judge(TextKNN(v).fit(s.train, s.until), s).value(person="arrival", item="all") for s in openings]
    return out


def exchanged(log: InteractionLog, vectors: np.ndarray, seed: int) -> np.ndarray:
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


def tuned(split: Split) -> dict[str, Any]:
    """Knobs of the systems without L, and the weight of item-kNN beside scene fusion's prior, on the past."""
    v = split.validation()
    shrink = max((0, 50, 200), key=lambda k: ndcg10(ItemKNN(shrink=k).fit(v.train, v.until), v))
    lam = max((100, 300, 1000), key=lambda k: ndcg10(EASE(k).fit(v.train, v.until), v))
    window = max((7, 14, 30, 60), key=lambda k: ndcg10(Popularity(k).fit(v.train, v.until), v))
    mix = Mix(PopularityPrior(WINDOWS), ItemKNN(shrink=shrink), scale=10).fit(v.train, v.until)
    return {"shrink": shrink, "lam": lam, "window": window, "weight": best_weight(mix, v)}


def best_weight(mix: Mix, v: Split) -> float:
    quality = {}
    for mix.weight in (0, 0.3, 1, 3, 10, 30):
        quality[mix.weight] = ndcg10(mix, v)
    return max(quality, key=quality.get)


def without_language(k: dict[str, Any]) -> dict[str, Any]:
    """Fresh systems that read no text."""
    return {"popularity": Popularity(k["window"]), "prior": PopularityPrior(WINDOWS), "EASE": EASE(k["lam"]),
            "mix: prior + item-kNN": Mix(PopularityPrior(WINDOWS), ItemKNN(shrink=k["shrink"]), k["weight"], 10)}  # fmt: skip


@cache
def prepared(share: float) -> tuple[World, Split, np.ndarray]:
    world = make_world("default", theme_share=share)
    return world, temporal_split(world.log), reader(world.log)


@cache
def knobs(share: float) -> dict[str, Any]:
    return tuned(prepared(share)[1])


def fusion(vectors: np.ndarray, **options: Any) -> Callable[[int], SceneFusion]:
    return lambda seed: SceneFusion(vectors, seed=seed, **SMALL | options)


def matrix(share: float) -> dict:
    """All pairs of scenes."""
    _, split, vectors = prepared(share)
    rows = transfer_matrix(fusion(vectors), split, SEEDS).to_dict("records")
    print([(r["source"], r["target"], r["person"], round(r["difference"], 4)) for r in rows if r["verdict"] == "negative transfer"], flush=True)
    return {"cells": rows}


def zero_shot(share: float) -> dict:
    """Each live scene held out, judged on clicks and on the truth; then the three scenes nobody has entered, judged on the truth alone."""
    world, split, vectors = prepared(share)
    log, out, metrics = world.log, {"readings": readings(world.log)}, ("ndcg10", "pm_auc")
    readers = {"text-kNN": read_items(log, fields=WORDS, centre="scene"), "text-kNN among neighbours": vectors}
    everywhere = [fusion(vectors)(seed).fit(split.train, split.until) for seed in SEEDS]
    for name in (*LIVE, *DESCRIBED):
        live = name in LIVE
        s = held_out_scene(log, name) if live else described(split, name)
        s = asked(s, (s.pairs["kind"] == "arrival").to_numpy())
        models = {"scene fusion": [fusion(vectors)(seed).fit(s.train, s.until) for seed in SEEDS] if live else everywhere, "blind": [Popularity()]}
        models |= {k: [TextKNN(v)] for k, v in readers.items()} | {f"oracle, {k}": [world.oracle(k)] for k in ("text-only", "interventional")}
        clicked, true = {}, {}
        for kind, some in models.items():
            some = some if kind == "scene fusion" else [m.fit(s.train, s.until) for m in some]
            clicked[kind] = over_seeds([judge(m, s, kind) for m in some]) if live else None
            runs = [judge_truth(m, s, world, kind) for m in some]
            true[kind] = replace(runs[0], pairs=runs[0].pairs.assign(clicks=np.mean([r.pairs.clicks for r in runs], 0)))
        out[name] = {k: {"true clicks": figure(true[k], "clicks", "arrival")} | ({m: figure(clicked[k], m, "arrival") for m in metrics} if live else {}) for k in models}
        if live:
            out[name]["scene fusion"]["minus"] = {k: gaps(clicked["scene fusion"], clicked[k], metrics)["arrival × all"] for k in readers}
        out[name]["scene fusion"]["true minus"] = {k: compare(true["scene fusion"], true[k], "clicks", "arrival", "all") for k in readers}
        print(log.name, name, {k: [round(v[m][0], 4) for m in v if m in ("true clicks", *metrics)] for k, v in out[name].items()}, flush=True)
    return out


def curve(splits: dict[int, Split], systems: dict[str, Callable[[int, Split], Any]], seeded: tuple[str, ...], metric: str = "ndcg10") -> dict:
    """Systems at each number of shots, for people known elsewhere: figures, each system minus the first, and minus itself at the first number."""
    out: dict[str, dict] = {}
    began: dict[str, Judgement] = {}
    for n, s in splits.items():
        j = {name: over_seeds([judge(make(seed, s), s, name) for seed in (SEEDS if name in seeded else (0,))]) for name, make in systems.items()}
        first = next(iter(j))
        for name, one in j.items():
            out.setdefault(name, {})[str(n)] = {"mean": figure(one, metric, "arrival"), f"minus {first}": compare(one, j[first], metric, "arrival", "all"),
                                                   "minus its beginning": compare(one, began.setdefault(name, one), metric, "arrival", "all")}  # fmt: skip
        print(s.protocol, {name: round(one.value(metric, "arrival", "all"), 4) for name, one in j.items()}, flush=True)
    return out


def few(share: float) -> dict:
    """From nothing to most of the scene's past, scene by scene."""
    (world, _, vectors), k, out = prepared(share), knobs(share), {}
    for name in SHOWN[share]:
        splits = {n: asked(s, (s.pairs["kind"] == "arrival").to_numpy()) for n, s in few_shot(world.log, name, SHOTS).items()}
        systems = {"text-kNN among neighbours": lambda seed, s: TextKNN(vectors).fit(s.train, s.until), "scene fusion, trained again": lambda seed, s: fusion(vectors)(seed).fit(s.train, s.until)}
        systems |= {n: lambda seed, s, n=n: without_language(k)[n].fit(s.train, s.until) for n in without_language(k)}
        out[name] = curve(splits, systems, tuple(systems)[1:2])
        zero, ours = ([v["mean"][0] for v in out[name][n].values()] for n in tuple(systems)[:2])
        bare = np.max([[v["mean"][0] for v in out[name][n].values()] for n in without_language(k)], 0)
        out[name]["crossing"] = {"best without L over text-kNN": crossing(SHOTS, zero, bare), "best without L over scene fusion": crossing(SHOTS, ours, bare), "scene fusion over text-kNN": crossing(SHOTS, zero, ours)}
        print(name, out[name]["crossing"], flush=True)
    return out | {"knobs": k}


def agreement(j: Judgement, split: Split, about: np.ndarray, draws: int = 100) -> list[float]:
    """Consistency and its interval from halves of the people: drawn without repeats, half a sample spreads about the whole as the whole does about the truth."""
    people, random, values = split.pairs[USER].unique(), np.random.default_rng(0), []
    for _ in range(draws):
        mask = split.pairs[USER].isin(random.permutation(people)[: len(people) // 2]).to_numpy()
        values.append(consistency(replace(j, lists=j.lists[mask]), asked(split, mask), about))
    return [consistency(j, split, about), *np.quantile(values, [0.025, 0.975])]


def where(share: float) -> dict:
    """The system of chapters 06 and 08 (scene fusion, item-kNN, a lane for new items), its twin that cannot read, and tuned systems without L, in all slices."""
    (world, split, vectors), k, metrics = prepared(share), dict(knobs(share)), ("ndcg10", "recall100")
    log, themes, v = world.log, np.eye(len(world.theme_names))[world.theme], split.validation()
    k["weight beside scene fusion"] = best_weight(Mix(fusion(vectors)(0).fit(v.train, v.until), ItemKNN(shrink=k["shrink"]).fit(v.train, v.until), 0.0, 10), v)
    knn = ItemKNN(shrink=k["shrink"]).fit(split.train, split.until)
    j = {n: judge(m.fit(split.train, split.until), split, n) for n, m in without_language(k).items()}
    runs: dict[str, list[Judgement]] = {}
    for seed in SEEDS:
        for name, x in (("our system", vectors), ("our system, texts exchanged", exchanged(log, vectors, seed))):
            model = fusion(x)(seed).fit(split.train, split.until)
            runs.setdefault(name, []).append(judge(NewItemLane(Mix(model, knn, k["weight beside scene fusion"], 10), 10, 10).mark(split.train), split, name))
            if name == "our system":
                runs.setdefault("scene fusion", []).append(judge(model, split, "scene fusion"))
    j |= {n: over_seeds(r) for n, r in runs.items()}
    ours, bare, gain = j["our system"], [n for n in j if n not in ("our system", "scene fusion")], {}
    for p, i in ours.pairs[["person", "item"]].drop_duplicates().itertuples(index=False):
        gain[f"{p} × {i}"] = {}
        for m in metrics:
            best = max(bare, key=lambda n, m=m, p=p, i=i: j[n].value(m, p, i))
            gain[f"{p} × {i}"][m] = compare(ours, j[best], m, p, i) | {"best without L": best, "of it": j[best].value(m, p, i), "ours": ours.value(m, p, i)}
    for n, m in (("text-kNN", TextKNN(vectors)), ("oracle, text-only", world.oracle("text-only")), ("oracle, interventional", world.oracle("interventional"))):
        j[n] = judge(m.fit(split.train, split.until), split, n)
    print(k, {s: {m: [round(g[m]["difference"], 4), round(g[m]["low"], 4), g[m]["best without L"]] for m in g} for s, g in gain.items()}, flush=True)
    alike = {n: agreement(j[n], split, themes) for n in ("popularity", "EASE", "mix: prior + item-kNN", "our system", "scene fusion", "text-kNN", "oracle, text-only", "oracle, interventional")}
    return {"systems": {n: figures(one, metrics) for n, one in j.items()}, "gain": gain, "consistency": alike, "knobs": k}


def strength_by_the_past(log: InteractionLog, vectors: dict[str, np.ndarray]) -> dict:
    """Openings before T that do not look at beauty: fitted on food alone and asked in kitchen, and the other way round: setting → metric → two values."""
    past, out = restricted(temporal_split(log, withhold=0).train, [0, 1]), {}
    for name, v in vectors.items():
        both = []
        for scene in ("kitchen", "food"):
            s = held_out_scene(past, scene, quantile=0.875)
            s = asked(s, (s.pairs["kind"] == "arrival").to_numpy())
            both.append(judge(SceneFusion(v, gates="mean", **SHOP).fit(s.train, s.until), s))
        out[name] = {m: [j.value(m, "arrival", "all") for j in both] for m in ("ndcg10", "pm_auc")}
    return out


def amazon() -> dict:
    """Beauty held out, and its first events."""
    log, metrics, out = load("amazon-fkb"), ("ndcg10", "recall100", "pm_auc"), {}
    raw, whitened = read_items(log), read_items(log, strength=1.0)
    kinds = {f"strength {x}": read_items(log, strength=x, dim=96) for x in (0.0, 0.5, 1.0)}
    kinds["strength 0.0, among neighbours"] = unit(whiten(among_neighbours(raw, log.items[SCENE].to_numpy()), 96, 0.0))
    out["past"] = strength_by_the_past(log, kinds)
    chosen = max(out["past"], key=lambda n: np.prod([np.mean(out["past"][n][m]) for m in ("ndcg10", "pm_auc")]))
    print(chosen, out["past"], flush=True)
    s, j = held_out_scene(log, "beauty"), {}
    s = asked(s, (s.pairs["kind"] == "arrival").to_numpy())
    makers: dict[str, Callable[[int], Any]] = {"blind": lambda seed: Popularity(), "text-kNN": lambda seed: TextKNN(raw), "text-kNN, whitened": lambda seed: TextKNN(whitened)}
    makers |= {f"scene fusion, {n}": lambda seed, v=v: SceneFusion(v, gates="mean", seed=seed, **SHOP) for n, v in kinds.items() if n in (chosen, "strength 1.0")}
    makers["scene fusion, texts exchanged"] = lambda seed: SceneFusion(exchanged(log, kinds[chosen], seed), gates="mean", seed=seed, **SHOP)
    for name, make in makers.items():
        j[name] = judged(make, s, SEEDS if name.startswith("scene") else (0,), name)
        print(name, {m: round(j[name].value(m, "arrival", "all"), 5) for m in metrics}, flush=True)
    ours = j[f"scene fusion, {chosen}"]
    out |= {"chosen": chosen, "zero-shot": {n: {m: figure(one, m, "arrival") for m in metrics} for n, one in j.items()}}
    out["minus"] = {n: gaps(j[n], j["text-kNN"], metrics)["arrival × all"] for n in j if n.startswith("scene")}
    out["chosen minus"] = {n: gaps(ours, j[n], metrics)["arrival × all"] for n in j if j[n] is not ours}
    k = {"shrink": settings("03-amazon", "item-kNN")["shrink"], "window": 30} | settings("03-amazon", "mix: prior + item-kNN")
    shots = {n: asked(one, (one.pairs["kind"] == "arrival").to_numpy()) for n, one in few_shot(log, "beauty", (0, 300, 3000)).items()}
    fresh = lambda seed, s: SceneFusion(kinds[chosen], gates="mean", seed=seed, **SHOP).fit(s.train, s.until)  # noqa: E731
    frozen = {seed: fresh(seed, shots[0]) for seed in SEEDS}
    systems = {
        "zero-shot, never trained again": lambda seed, s: frozen[seed],
        "scene fusion, trained again": lambda seed, s: frozen[seed] if s is shots[0] else fresh(seed, s),
        "popularity": lambda seed, s: Popularity(k["window"]).fit(s.train, s.until), "prior": lambda seed, s: PopularityPrior(WINDOWS).fit(s.train, s.until),
        "mix: prior + item-kNN": lambda seed, s: Mix(PopularityPrior(WINDOWS), ItemKNN(shrink=k["shrink"]), k["weight"], k["scale"]).fit(s.train, s.until),
    }  # fmt: skip
    out["few-shot"] = curve(shots, systems, tuple(systems)[:2])
    return out


def amazon_matrix() -> dict:
    """All pairs of food, kitchen and beauty."""
    log = load("amazon-fkb")
    vectors = read_items(log, strength=1.0, dim=96)
    rows = transfer_matrix(lambda seed: SceneFusion(vectors, seed=seed, **SHOP), temporal_split(log), SEEDS).to_dict("records")
    print([(r["source"], r["target"], r["person"], r["n"], round(r["alone"], 4), round(r["difference"], 4), r["verdict"]) for r in rows], flush=True)
    return {"cells": rows}


def main() -> None:
    def keep(metrics: dict) -> Path:
        return record(f"09-{name}", command=f"python -m benchmarks.chapter09 {name}", metrics=metrics, seeds=list(SEEDS), seconds=round(time.perf_counter() - wall),
                      cpu_seconds=round(time.process_time() - began), intervals=INTERVALS)  # fmt: skip

    def each(run: Callable[[float], dict]) -> dict:
        out: dict[str, dict] = {}
        for share in (0.8, 0.2):
            out[f"theme share {share}"] = run(share)
            keep(out)
        return out

    commands: dict[str, Callable[[], dict]] = {"zero-shot": lambda: each(zero_shot), "matrix": lambda: each(matrix), "map": lambda: each(where), "few-shot": lambda: each(few)}
    commands |= {"amazon": amazon, "amazon-matrix": amazon_matrix}
    torch.set_num_threads(1)
    for name in [word for word in sys.argv[1:] if word in commands] or commands:
        wall, began = time.perf_counter(), time.process_time()
        print(f"wrote {keep(commands[name]())}", flush=True)


if __name__ == "__main__":
    main()
