"""The recorded run of chapter 07: one change of the training at a time, at equal budget, and what tuning the encoder costs and brings.

    python benchmarks/chapter07.py [worlds amazon encoder]   # each writes its part of data/results/07-training.json

*Budget.* Every row sees the same batches of positives the same number of times, and may try three values of one knob on the validation
split before T; the value that wins there is trained on all of training with five seeds (Amazon: no tries, one seed) and judged under
the contract, on SceneWorld (half the default's people and impressions) for everybody, on Amazon for every second person of a hashed quarter.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import RATING, InteractionLog
from recsys_lib.data.splits import Split, hash64
from recsys_lib.evaluation import Judgement, _interval, compare, judge, over_seeds, scene_mean
from recsys_lib.language import TextEncoder, centred, item_texts, read_items
from recsys_lib.models.histories import Reader
from recsys_lib.models.popularity import PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import folder, record
from recsys_lib.training import train

WORDS, SEEDS = ("title", "description"), range(5)
SLICES = (("known", "ndcg10", "known", "known"), ("new items", "recall100", "known", "new"), ("withheld", "ndcg10", "withheld", "all"))
SGD = partial(torch.optim.SGD, momentum=0.9)
STEPS = {"lr": (6e-4, 2e-3, 6e-3)}
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, tuple]]] = {  # name → arguments of the model, of the loop, and three tries of one knob
    "sampled softmax, log-Q": ({}, {}, STEPS),
    "full softmax": ({"loss": "full"}, {}, STEPS),
    "sampled softmax, no log-Q": ({"loss": "uncorrected"}, {}, STEPS),
    "BCE, 4 uniform negatives": ({"loss": "bce"}, {}, STEPS),
    "MSE on ratings": ({"loss": "mse"}, {}, STEPS),
    "SGD, momentum .9": ({}, {"optimizer": SGD}, {"lr": (0.02, 0.1, 0.5)}),
    "Adam, L2 in the gradient": ({}, {"optimizer": torch.optim.Adam}, {"weight_decay": (1e-5, 1e-4, 1e-3)}),
    "AdamW, decoupled decay": ({}, {}, {"weight_decay": (0.1, 1.0, 5.0)}),
    "dropout on the profile": ({}, {}, {"dropout": (0.1, 0.3, 0.5)}),
    "constant step size": ({}, {"schedule": lambda progress: 1.0}, STEPS),
    "bfloat16 (AMP)": ({}, {"amp": True}, {"lr": (2e-3,)}),
}


class Variant(SceneFusion):
    """Scene fusion with another loss, a bias a scene (BCE and MSE need one), and dropout on the profile."""

    def __init__(self, vectors: np.ndarray, loss: str = "sampled", dropout: float = 0.0, **options: Any) -> None:
        super().__init__(vectors, **options)
        self.loss, self.dropout = loss, dropout

    def _build(self, trained: np.ndarray) -> None:
        super()._build(trained)
        self.net.bias = nn.Parameter(torch.zeros(self.log.n_scenes))

    def _all(self, pools: torch.Tensor, codes: torch.Tensor, scene: int, features: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        return self.net.person(pools, scene) @ self.net.things(self._text[codes], codes, known[codes]).T + self.net.prior(features[codes], known[codes], scene)

    def _loss(self, pools: torch.Tensor, target: torch.Tensor, scene: int, features: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        pools = F.dropout(pools, self.dropout)
        if self.loss == "sampled":
            return super()._loss(pools, target, scene, features, known)
        own = slice(scene * len(self.half_lives), (scene + 1) * len(self.half_lives))
        pools = pools.clone()
        pools[torch.rand(len(pools)) < self.hide, own] = 0
        first, end = int(self.log.scene_items(scene)[0]), int(self.log.scene_items(scene)[-1]) + 1
        if self.loss == "full":
            return F.cross_entropy(self._all(pools, torch.arange(first, end), scene, features, known), target - first)
        if self.loss == "uncorrected":
            chance = torch.exp(0.5 * features[first:end].mean(1)) + 0.3
            drawn = torch.multinomial(chance, self.negatives, replacement=True) + first
            score = self._all(pools, torch.cat([target, drawn]), scene, features, known)
            rest = score[:, len(target) :].masked_fill(drawn == target[:, None], -torch.inf)
            return F.cross_entropy(torch.cat([score[:, : len(target)].diagonal()[:, None], rest], 1), torch.zeros(len(target), dtype=torch.long))
        drawn = torch.randint(first, end, (len(target), 4))  # BCE: four of its own for each positive
        codes, here = torch.unique(torch.cat([target[:, None], drawn], 1), return_inverse=True)
        score = self._all(pools, codes, scene, features, known).gather(1, here) + self.net.bias[scene]
        truth = torch.zeros_like(score)
        truth[:, 0] = 1
        return F.binary_cross_entropy_with_logits(score, truth)

    def fit(self, log: InteractionLog, until: int | None = None, **training: Any) -> Variant:
        return self._fit_ratings(log, until, **training) if self.loss == "mse" else super().fit(log, until, **training)

    def _fit_ratings(self, log: InteractionLog, until: int | None, **training: Any) -> Variant:
        """Mean squared error on the ratings of rated events, nothing else: what was not taken says nothing."""
        self.log, self.until = log.before(until), until
        events = self.log.events
        user, item, time, scene = (events[c].to_numpy(np.int64) for c in ("user", "item", "time", "scene"))
        rating = events[RATING].to_numpy(float)
        self.past = Reader(self._profiles, self.log)
        torch.manual_seed(self.seed)
        self._build(np.unique(scene))
        self._features, self._known = self._state(time, item, until)
        rows = np.flatnonzero(np.isfinite(rating) & (rating > 0) & (time >= until - self.cuts * self.step * 86_400))
        pools, target = torch.from_numpy(self.past().at(user[rows], time[rows])), torch.from_numpy(item[rows])
        given, where = torch.from_numpy((rating[rows] - rating[rows].mean()).astype(np.float32)), scene[rows]

        def batches(random: torch.Generator) -> list[tuple[int, torch.Tensor]]:
            made = []
            for s in np.unique(where):
                mine = torch.from_numpy(np.flatnonzero(where == s))
                made += [(int(s), part) for part in mine[torch.randperm(len(mine), generator=random)].tensor_split(max(1, len(mine) // 96))]
            return [made[k] for k in torch.randperm(len(made), generator=random).tolist()]

        def loss(batch: tuple[int, torch.Tensor]) -> torch.Tensor:
            s, at = batch
            codes = target[at]
            h = self.net.things(self._text[codes], codes, self._known[codes])
            guess = (self.net.person(pools[at], s) * h).sum(1) + self.net.prior(self._features[codes], self._known[codes], s) + self.net.bias[s]
            return ((guess - given[at]) ** 2).mean()

        self.log_ = train(self.net, batches, loss, **{"epochs": self.epochs, "lr": self.lr, "seed": self.seed, "no_decay": ("log_tau", "beta", "new")} | training)
        self._read_things()
        return self


def half(s: Split) -> Split:
    """The questions of every second person."""
    keep = np.flatnonzero(s.pairs["user"].to_numpy() % 2 == 0)
    return replace(s, pairs=s.pairs.iloc[keep].reset_index(drop=True), positives=[s.positives[k] for k in keep])


def figures(j: Judgement) -> dict[str, list[float]]:
    """Mean, interval and n of the slices the chapter shows."""
    return {name: [scene_mean(j.slice(p, i), m), *_interval(j.slice(p, i), m), len(j.slice(p, i))] for name, m, p, i in SLICES}


def contest(X: np.ndarray, s: Split, common: dict, rows: dict, seeds: range, tune: bool) -> dict:
    """Each row tuned (or not), fitted and judged; everything is compared with the first row."""
    out, judged, v, asked = {}, {}, s.validation(), s if tune else half(s)
    for name, (options, loop, tries) in rows.items():
        knob, values = next(iter(tries.items()))
        tried = {x: ndcg10(Variant(X, **common | options | {knob: x}).fit(v.train, v.until, **loop), v, most=3000) for x in values} if tune else {}
        best = max(tried, key=tried.get) if tune else values[len(values) // 2]
        runs, began, seconds = [], time.perf_counter(), 0.0
        for seed in seeds:
            began = time.perf_counter()
            model = Variant(X, **common | options | {"seed": seed, knob: best}).fit(s.train, s.until, **loop)
            seconds += time.perf_counter() - began
            runs.append(judge(model, asked, name))
        judged[name] = over_seeds(runs)
        first = next(iter(judged.values()))
        out[name] = figures(judged[name]) | {
            "knob": knob, "tried": {str(k): q for k, q in tried.items()}, "chosen": best, "seconds a fit": seconds / len(seeds),
            "seeds": [run.value() for run in runs], "steepest": max(f["gradient"] for f in model.log_),
            "minus first": {n: compare(judged[name], first, m, p, i) for n, m, p, i in SLICES},
        }  # fmt: skip
        print(f"{name:28s} {knob}={best:<8g}", [round(out[name][n][0], 4) for n, *_ in SLICES], f"{seconds / len(seeds):.1f} s", flush=True)
    prior = judge(PopularityPrior().fit(s.train, s.until), asked, "prior")
    return {"rows": out, "prior": figures(prior)}


def worlds() -> dict:
    """All rows in both worlds."""
    common, out = {"cuts": 20, "epochs": 4, "negatives": 300, "windows": (7, 14, 30, 90)}, {}
    for share in (0.8, 0.2):
        log = load("sceneworld", theme_share=share, users=2_500, target=150_000)
        X = read_items(log, fields=WORDS, centre="scene", strength=0.5, dim=96) * 96**0.5
        print(log.name, flush=True)
        out[f"theme share {share}"] = contest(X, temporal_split(log), common, ROWS, SEEDS, True)
    return out


def amazon() -> dict:
    """Four losses and SGD on every fourth person of Amazon: no tries, one seed."""
    log = load("amazon-fkb")
    some = hash64(log.events["user"].to_numpy()) % np.uint64(4) == 0
    s = temporal_split(log.with_events(log.events[some]))
    X = read_items(log, strength=1.0, dim=96) * 96**0.5
    rows = {name: ROWS[name] for name in list(ROWS)[:6] if name != "MSE on ratings"}  # these files hold no ratings
    return contest(X, s, {"cuts": 26, "epochs": 3, "negatives": 1000}, rows, range(1), False)


class TextReader(nn.Module):
    """Texts → vectors: an encoder, the mean over its tokens, and a linear map that begins as the identity."""

    def __init__(self, train_from: int | None) -> None:
        super().__init__()
        source = TextEncoder(device="cpu")
        self.bert, self.tokenizer, self.map = source.model, source.tokenizer, nn.Linear(384, 384, bias=False)
        nn.init.eye_(self.map.weight)
        for parameter in self.bert.parameters():
            parameter.requires_grad_(train_from == 0)
        if train_from:
            for layer in self.bert.encoder.layer[train_from:]:
                layer.requires_grad_(True)

    def forward(self, texts: list[str]) -> torch.Tensor:
        """Vectors of length 1: float [n, 384]."""
        x = self.tokenizer(texts, padding=True, truncation=True, max_length=48, return_tensors="pt")
        hidden, mask = self.bert(**x).last_hidden_state, x["attention_mask"][:, :, None].float()
        return F.normalize(self.map((hidden * mask).sum(1) / mask.sum(1)), dim=1)


def couples(log: InteractionLog) -> np.ndarray:
    """Pairs of items that one person took one after the other, in any scenes: int64 [n, 2]."""
    e = log.events.sort_values(["user", "time"], kind="stable")
    same = e["user"].to_numpy()[1:] == e["user"].to_numpy()[:-1]
    return np.stack([e["item"].to_numpy()[:-1][same], e["item"].to_numpy()[1:][same]], 1).astype(np.int64)


def tuned(mode: str, texts: list[str], base: np.ndarray, log: InteractionLog, rate: float, steps: int, batch: int = 32) -> tuple[np.ndarray, float, int]:
    """Vectors of all texts after ``steps`` steps, the seconds these took, and how many numbers were trained.

    The loss: of a batch of couples, which second item belongs to which first? Softmax over the batch, log-Q corrected.
    """
    torch.manual_seed(0)
    start = {"map": None, "last layer": 5, "all layers": 0}[mode]
    reader, frozen, pairs = TextReader(start), torch.from_numpy(base), torch.from_numpy(couples(log))
    popular = torch.bincount(pairs[:, 1], minlength=log.n_items) / len(pairs)

    def read(codes: torch.Tensor) -> torch.Tensor:
        return F.normalize(reader.map(frozen[codes]), dim=1) if start is None else reader([texts[k] for k in codes.tolist()])

    def loss(rows: torch.Tensor) -> torch.Tensor:
        score = read(rows[:, 0]) @ read(rows[:, 1]).T / 0.07 - torch.log(popular[rows[:, 1]])
        twice = (rows[:, 1] == rows[:, 1, None]) & ~torch.eye(len(rows), dtype=torch.bool)
        return F.cross_entropy(score.masked_fill(twice, -torch.inf), torch.arange(len(rows)))

    def batches(random: torch.Generator) -> tuple[torch.Tensor, ...]:
        return pairs[torch.randint(len(pairs), (steps * batch,), generator=random)].split(batch)

    began = time.perf_counter()
    train(reader, batches, loss, epochs=1, lr=rate, clip=1.0)
    seconds = time.perf_counter() - began
    with torch.inference_mode():
        vectors = np.concatenate([read(part).numpy() for part in torch.arange(log.n_items).split(64)])
    return vectors, seconds, sum(p.numel() for p in reader.parameters() if p.requires_grad) if start is not None else reader.map.weight.numel()


def encoder(steps: int = 30) -> dict:
    """MiniLM frozen (a linear map alone learns), its last layer free, all of it free, for the same couples and steps; and the map for many more.

    A smaller world (2,000 people, 200 items a scene), because every step reads 64 texts forwards and backwards. The step size is
    chosen before T in the world of theme share .8, and taken over by the other.
    """
    out: dict[str, Any] = {}
    for share in (0.8, 0.2):
        log = load("sceneworld", theme_share=share, users=2000, items=200, target=100_000)
        s = temporal_split(log)
        v, texts, scene = s.validation(), item_texts(log, WORDS), log.items["scene"].to_numpy()
        base = TextEncoder(device="cpu").encode(texts, show_progress=False)

        def quality(vectors: np.ndarray, scene: np.ndarray = scene) -> TextKNN:
            return TextKNN(centred(vectors, scene))

        first = judge(quality(base).fit(s.train, s.until), s)
        out[f"theme share {share}"] = part = {"untouched": figures(first) | {"seconds": 0.0, "steps": 0, "trained": 0}}
        for name, mode, rates, many in (("map on frozen vectors", "map", (3e-4, 3e-3), 1), ("map, many more steps", "map", (3e-4, 3e-3), 100),
                                        ("last layer", "last layer", (1e-4, 5e-4), 1), ("all layers", "all layers", (3e-5, 2e-4), 1)):  # fmt: skip
            tried = {} if share == 0.8 else {float(k): q for k, q in out["theme share 0.8"][name]["tried"].items()}
            for rate in rates if share == 0.8 else ():
                vectors, *_ = tuned(mode, texts, base, v.train, rate, steps * many)
                tried[rate] = ndcg10(quality(vectors).fit(v.train, v.until), v, most=3000)
            best = max(tried, key=tried.get)
            vectors, seconds, trained = tuned(mode, texts, base, s.train, best, steps * many)
            j = judge(quality(vectors).fit(s.train, s.until), s)
            part[name] = figures(j) | {"seconds": seconds, "steps": steps * many, "trained": trained, "chosen": best, "tried": {str(k): q for k, q in tried.items()},
                                       "minus untouched": {k: compare(j, first, m, p, i) for k, m, p, i in SLICES}}  # fmt: skip
            print(share, name, tried, [round(part[name][k][0], 4) for k, *_ in SLICES], f"{seconds:.0f} s", flush=True)
    return out


def main() -> None:
    commands = {"worlds": worlds, "amazon": amazon, "encoder": encoder}
    path = folder() / "07-training.json"
    for name in [word for word in sys.argv[1:] if word in commands] or commands:
        began, cpu = time.perf_counter(), time.process_time()
        part = commands[name]()
        old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        facts = {f"{name} seconds": round(time.perf_counter() - began), f"{name} cpu seconds": round(time.process_time() - cpu)}
        times = {k: x for k, x in old.items() if k.endswith("seconds")} | facts
        record("07-training", command="python benchmarks/chapter07.py", metrics=old.get("metrics", {}) | {name: part}, seeds=list(SEEDS),
               intervals="95 %, 2,000 draws of people", **times)  # fmt: skip
        print(f"wrote {path}", facts)


if __name__ == "__main__":
    main()
