"""What could help people who are new to a scene of the shop? One line an attempt, judged on the withheld pairs alone.

    python -m benchmarks.withheld --record 06-withheld

Each attempt is added to the tuned prior with one of four weights, chosen on ``split.validation()`` by NDCG@10 of its withheld pairs;
scene fusion holds its own prior and is judged as it is. One seed: this looks for directions, it proves none.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from benchmarks.baselines import build, settings
from benchmarks.scene_fusion import WINDOWS, side_by_side
from recsys_lib.data import InteractionLog, load, temporal_split
from recsys_lib.data.log import ITEM, SCENE, USER
from recsys_lib.evaluation import Judgement, compare, judge
from recsys_lib.language import TextEncoder, centred, item_texts, static_vectors, unit, whiten
from recsys_lib.models.mix import Mix
from recsys_lib.models.profileknn import ProfileKNN
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.scene_map import SceneMap
from recsys_lib.results import load_result, record
from recsys_lib.training import train
from recsys_lib.transfer import asked as only

WEIGHTS = (0.1, 0.25, 0.5, 1.0)


def co_consumed(log: InteractionLog, vectors: np.ndarray, until: int | None, epochs: int = 3) -> np.ndarray:
    """Text vectors tuned so that things one person takes in two scenes lie close: one linear map, in-batch softmax with log-q. float32 [n_items, d]."""
    events = log.before(until).events
    pairs = events.merge(events, on=USER, suffixes=("_a", "_b")).query("scene_a != scene_b")
    pairs = pairs.sample(min(len(pairs), 200_000), random_state=0)
    a, b = (torch.from_numpy(pairs[f"{ITEM}_{side}"].to_numpy(np.int64)) for side in "ab")
    texts, net = torch.from_numpy(vectors), torch.nn.Linear(vectors.shape[1], vectors.shape[1], bias=False)
    torch.nn.init.eye_(net.weight)
    frequency = torch.log(torch.bincount(b, minlength=len(vectors)).float() / len(b) + 1e-9)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        left, right = (torch.nn.functional.normalize(net(texts[x[rows]]), dim=1) for x in (a, b))
        return torch.nn.functional.cross_entropy(20 * left @ right.T - frequency[b[rows]], torch.arange(len(rows)))

    train(net, batches=lambda random: torch.randperm(len(a), generator=random).split(512), loss=loss, epochs=epochs, lr=1e-3)
    with torch.inference_mode():
        return unit(net(texts).numpy())


class Uncorrected(SceneFusion):
    """Scene fusion whose negatives are drawn by popularity and not corrected: the loss no longer rewards what is popular."""

    def _correction(self, expected: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(expected)


def larger_reader(texts: list[str]) -> np.ndarray:
    """Vectors of SmolLM2, with six times MiniLM's weights, in bfloat16: three times as fast where the processor multiplies it. float32 [n, 576]."""
    reader = TextEncoder("SmolLM2-135M-Instruct")
    reader.model.to(torch.bfloat16)
    return reader.encode(texts, cache=False)  # the cache is for vectors in full precision


def mean_of(vectors: np.ndarray) -> ProfileKNN:
    return ProfileKNN(vectors, lambda log: log.matrix() @ vectors)


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log = load("amazon-fkb")
    split, texts, began = temporal_split(log), item_texts(log), time.perf_counter()
    trial, raw = split.validation(), TextEncoder().encode(texts, show_progress=False)
    white = unit(whiten(raw, 128))
    scenes = log.items[SCENE].to_numpy()
    smol, static = larger_reader(texts), static_vectors(texts, sif=1e-3)
    both, three = (side_by_side(readers, 96) for readers in ((raw, static), (raw, static, smol)))
    attempts = {
        "text, whitened": lambda part: mean_of(white),
        "text, scene means subtracted": lambda part: mean_of(unit(whiten(centred(raw, scenes), 128))),
        "text and word vectors side by side": lambda part: mean_of(unit(both)),
        "encoder tuned on co-consumption": lambda part: mean_of(co_consumed(part.train, white, part.until)),
        "a map from scene to scene": lambda part: SceneMap(white),
        "a larger reader (SmolLM2), whitened": lambda part: mean_of(unit(whiten(smol, 128))),
        "a map from scene to scene, larger reader": lambda part: SceneMap(unit(whiten(smol, 128))),
    }
    whole = {
        "scene fusion": lambda: SceneFusion(both, windows=WINDOWS), "scene fusion, own past hidden in .6": lambda: SceneFusion(both, windows=WINDOWS, hide=0.6),
        "scene fusion, popularity-debiased loss": lambda: Uncorrected(both, windows=WINDOWS, hide=0), "scene fusion, larger reader beside": lambda: SceneFusion(three, windows=WINDOWS),
    }  # fmt: skip
    chosen = {name: settings("03-amazon", name) for name in load_result("03-amazon")["metrics"]}
    judged: dict[str, Judgement] = {}
    weights: dict[str, float] = {}
    asked, asked_trial = (only(part, (part.pairs.kind == "withheld").to_numpy()) for part in (split, trial))
    priors = [build("prior", chosen["prior"], {}, chosen).fit(part.train, part.until) for part in (trial, split)]
    for bar in ("prior", "mix: prior + item-kNN", "mix: prior + transitions"):
        judged[bar] = judge(build(bar, chosen[bar], {}, chosen).fit(split.train, split.until), asked, bar)
    for name, make in attempts.items():
        personal = make(trial).fit(trial.train, trial.until)
        tried = {w: judge(Mix(priors[0], personal, w, 50), asked_trial).value(person="withheld", item="all") for w in WEIGHTS}
        weights[name] = max(tried, key=tried.get)
        judged[name] = judge(Mix(priors[1], make(split).fit(split.train, split.until), weights[name], 50), asked, name)
        print(name, tried, judged[name].value(person="withheld", item="all"), flush=True)
    for name, model in whole.items():
        judged[name] = judge(model().fit(split.train, split.until), asked, name)
        print(name, judged[name].value(person="withheld", item="all"), flush=True)
    metrics = {}
    for name, j in judged.items():
        row = j.summary().loc[("withheld", "all")].dropna().to_dict()
        metrics[name] = {"withheld × all": row, "weight": weights.get(name)} | {m: compare(j, judged["prior"], m, "withheld", "all") for m in ("ndcg10", "recall100", "pm_auc")}
        metrics[name]["by scene"] = {log.scenes["name"][s]: value for s, value in j.by_scene().loc[("withheld", "all")].items()}
    if args.record:
        record(args.record, command=f"python -m benchmarks.withheld --record {args.record}", metrics=metrics, data="amazon-fkb", protocol=split.protocol, seeds=[0], seconds=round(time.perf_counter() - began))


if __name__ == "__main__":
    main()
