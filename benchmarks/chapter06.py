"""The recorded runs of chapter 06: towers at equal budget in both worlds, gates for sub-scenes nobody has seen, and Amazon.

    python benchmarks/chapter06.py [unseen unseen-again towers amazon-towers]   # writes data/results/06-*.json

Rows of one run differ in the tower alone: data, item vectors, prior, loss, negatives, epochs and seeds are shared. In ``towers`` each may
choose between the same step sizes, in each world before T; rows with another step than the pooled tower's are also compared with a pooled tower of their own step.
Intervals of differences redraw people and are widened by what the seeds' differences vary.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy import stats
from torch import nn

from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import NAME, SCENE, USER
from recsys_lib.data.sceneworld import make_world
from recsys_lib.data.splits import Split, hash64
from recsys_lib.evaluation import Judgement, _interval, compare, judge, over_seeds, scene_mean
from recsys_lib.language import TextEncoder, centred, item_texts, read_items, whiten
from recsys_lib.models.multiscene import TOWERS, Gated, OwnPast, Pooled
from recsys_lib.models.popularity import PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion, describe_scenes
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import record
from recsys_lib.scenes import PairGates, TextGates
from recsys_lib.transfer import asked

SEEDS = range(5)
RATES = (2e-3, 6e-3)
STEP = ", step {}"
KINDS = (("known × known", "known", "known"), ("known × all", "known", "all"), ("withheld × all", "withheld", "all"), ("arrival × all", "arrival", "all"))
SMALL = {"half_lives": (None,), "cuts": 20, "epochs": 4, "batch": 256, "negatives": 300}
HELD = tuple(f"{parent}-{k}" for parent in ("shopping", "music", "video", "news", "travel") for k in (2, 7))
AGAIN = tuple(f"{parent}-{k}" for parent in ("shopping", "music", "video", "news", "travel") for k in (1, 5))
Tower = Callable[[int, int, int], nn.Module]


def figures(j: Judgement, metrics: tuple[str, ...] = ("ndcg10", "recall100", "pm_auc")) -> dict[str, dict[str, list[float]]]:
    """Slice → metric → mean, low, high, n."""
    parts = {name: j.slice(person, item) for name, person, item in KINDS}
    return {name: {m: [scene_mean(p, m), *_interval(p, m), len(p)] for m in metrics} for name, p in parts.items() if len(p)}


def differences(a: list[Judgement], b: list[Judgement], names: list[str]) -> dict:
    """a - b, both one run a seed, by slice over all scenes, and by slice and scene: difference, interval, n."""
    out = {}
    for name, person, item in KINDS:
        if not len(a[0].slice(person, item)):
            continue
        out[name] = {"all scenes": apart(a, b, "ndcg10", person, item), "recall100": apart(a, b, "recall100", person, item)}
        for s in np.unique(a[0].slice(person, item).scene):
            here = ([replace(j, pairs=j.pairs[j.pairs.scene == s]) for j in runs] for runs in (a, b))
            out[name][names[s]] = apart(*here, "ndcg10", person, item)
    return out


def apart(a: list[Judgement], b: list[Judgement], metric: str, person: str, item: str) -> dict[str, float]:
    """The paired difference of the means over seeds. Its interval joins that of redrawn people with Student's of the seeds' own differences."""
    gap = compare(over_seeds(a), over_seeds(b), metric, person, item)
    each = [x.value(metric, person, item) - y.value(metric, person, item) for x, y in zip(a, b, strict=True)]
    seeds = stats.t.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) / np.sqrt(len(each))
    low, high = (gap["difference"] + side * np.hypot(gap[end] - gap["difference"], seeds) for side, end in ((-1, "low"), (1, "high")))
    return gap | {"low": float(low), "high": float(high), "by seed": each}


def fitted(vectors: np.ndarray, tower: Tower, split: Split, **options: object) -> SceneFusion:
    return SceneFusion(vectors, tower=tower, **SMALL | options).fit(split.train, split.until)


def rows(vectors: np.ndarray, split: Split, asked: Split, systems: dict[str, Tower | list[Tower]], rates: dict[str, float], base: str, **options: object) -> dict:
    """All towers over all seeds (a list: one for each): figures, weights, seconds, and differences to ``base``."""
    out, judged, names = {}, {}, split.log.scenes[NAME].tolist()
    for name, tower in systems.items():
        runs, began = [], time.process_time()
        for seed in SEEDS:
            model = fitted(vectors, tower[seed] if isinstance(tower, list) else tower, split, seed=seed, lr=rates.get(name, 2e-3), **options)
            if not seed:
                seconds = time.process_time() - began
            runs.append(judge(model, asked, name))
        judged[name] = runs
        spread = [float(np.std([r.value(person=p, item=i) for r in runs])) for n, p, i in KINDS if len(runs[0].slice(p, i))]
        out[name] = {"slices": figures(over_seeds(runs)), "weights": sum(p.numel() for p in model.net.tower.parameters()), "rate": rates.get(name, 2e-3),
                     "seconds": round(seconds, 1), "spread of seeds": spread}  # fmt: skip
        print(f"{name:30s}", {k: round(v["ndcg10"][0], 4) for k, v in out[name]["slices"].items()}, f"{seconds:.1f} s", flush=True)
    for name in systems:
        out[name][f"minus {base}"] = differences(judged[name], judged[base], names)
        if (same := base + STEP.format(out[name]["rate"])) in judged and name != same:
            out[name]["minus pooled of the same step"] = differences(judged[name], judged[same], names)
    if "descriptions exchanged" in judged:
        out["gates from text"]["minus descriptions exchanged"] = differences(judged["gates from text"], judged["descriptions exchanged"], names)
    if "each scene alone" in judged:
        out[base]["minus each scene alone"] = differences(judged[base], judged["each scene alone"], names)
    return out


def towers() -> dict:
    """Every tower, five seeds, both worlds; step size chosen for each tower on the past of each world."""
    out = {}
    for share in (0.8, 0.2):
        world = make_world("default", theme_share=share)
        split = temporal_split(world.log)
        vectors = read_items(world.log, fields=("title", "description"), centre="scene", strength=0.5, dim=48)
        v, rates, pooled = split.validation(), {}, "pooled, no S"
        for name, tower in TOWERS.items():
            rates[name] = max(RATES, key=lambda lr, tower=tower: ndcg10(fitted(vectors, tower, v, lr=lr), v))
        print(rates, flush=True)
        rates |= {pooled + STEP.format(other): other for other in RATES if other != rates[pooled]}
        out[f"theme share {share}"] = rows(vectors, split, split, TOWERS | {name: TOWERS[pooled] for name in rates if name not in TOWERS}, rates, pooled)
        for name, model in (("prior alone", PopularityPrior()), ("oracle, text-only", world.oracle("text-only"))):
            out[f"theme share {share}"][name] = {"slices": figures(judge(model.fit(split.train, split.until), split))}
    return out


def without_scenes(log, held: tuple[str, ...]) -> Split:
    """All events of several scenes leave training; asked: those scenes after T."""
    base, codes = temporal_split(log, withhold=0.0), [log.scene_code(name) for name in held]
    events = base.train.events
    train = log.with_events(events[~events[SCENE].isin(codes)])
    keep = np.flatnonzero(base.pairs[SCENE].isin(codes))
    pairs, past = base.pairs.iloc[keep].reset_index(drop=True), np.bincount(train.events[USER], minlength=log.n_users) > 0
    pairs["kind"] = np.where(past[pairs[USER]], "arrival", "stranger")
    return replace(base, train=train, pairs=pairs, positives=[base.positives[k] for k in keep], protocol="held-out sub-scenes")


class SideBySide(nn.Module):
    """A hypernetwork that reads the two descriptions side by side: gate = mean ⊙ (1 + W₂ tanh(W₁ [target; source])) + own."""

    def __init__(self, descriptions: torch.Tensor, dim: int, rank: int = 16) -> None:
        super().__init__()
        n, width = descriptions.shape
        self.register_buffer("pairs", torch.cat([descriptions[:, None].expand(-1, n, -1), descriptions[None].expand(n, -1, -1)], -1))
        self.mean, self.own = nn.Parameter(torch.full((dim,), 1.0 / n)), nn.Parameter(torch.zeros(dim))
        self.read, self.write = nn.Linear(2 * width, rank), nn.Linear(rank, dim, bias=False)
        nn.init.zeros_(self.write.weight)

    def forward(self) -> torch.Tensor:
        return self.mean * (1 + self.write(torch.tanh(self.read(self.pairs)))) + torch.eye(len(self.pairs))[:, :, None] * self.own


class TrueGates(nn.Module):
    """What gates could know: one gate for each number of themes that two scenes really share, and one for the own past."""

    def __init__(self, shared: np.ndarray, dim: int) -> None:
        super().__init__()
        self.register_buffer("shared", torch.from_numpy(shared))
        self.table, self.own = nn.Parameter(torch.full((int(shared.max()) + 1, dim), 1.0 / len(shared))), nn.Parameter(torch.zeros(dim))

    def forward(self) -> torch.Tensor:
        return self.table[self.shared] + torch.eye(len(self.shared))[:, :, None] * self.own


def described(log, encoder: TextEncoder) -> np.ndarray:
    """Whitened descriptions of the scenes with items of their own kind; float32 [scenes, 24], length 1 (0 for the three described only)."""
    live = log.scenes[NAME].str.contains("-").to_numpy()
    out = np.zeros((log.n_scenes, 24), np.float32)
    out[live] = whiten(encoder.encode([t for t, k in zip(describe_scenes(log), live, strict=True) if k], show_progress=False), 24, 0.5)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)


def unseen_again() -> dict:
    """The same once more where nothing was chosen: another world, other sub-scenes, the systems that the chapter's claim rests on."""
    return unseen(seed=11, held=AGAIN, few=("mean gate", "gates from text", "descriptions exchanged", "gates from the truth"))


def unseen(seed: int | None = None, held: tuple[str, ...] = HELD, few: tuple[str, ...] | None = None) -> dict:
    """Gates for ten of forty sub-scenes that had no event in training. The form of the text gates was chosen while looking at these."""
    out, encoder = {}, TextEncoder()
    for share in (0.8, 0.2):
        world = make_world("many-scenes", theme_share=share, **({} if seed is None else {"seed": seed}))
        log, split = world.log, without_scenes(world.log, held)
        parent = log.scenes[NAME].str.split("-").str[0].astype("category").cat.codes.to_numpy()[log.items[SCENE].to_numpy()]
        vectors = whiten(centred(encoder.encode(item_texts(log, ("title", "description")), show_progress=False), parent), 48, 0.5)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        e = described(log, encoder)
        held_themes = np.zeros((log.n_scenes, len(world.theme_names)))
        np.add.at(held_themes, (log.items[SCENE].to_numpy(), world.theme), 1)
        shared = ((held_themes > 5)[:, None] & (held_themes > 5)[None]).sum(-1)
        mixed = [np.vstack([e[np.random.default_rng(seed).permutation(40)], e[40:]]) for seed in SEEDS]

        seen = torch.from_numpy(np.isin(np.arange(log.n_scenes), split.train.events[SCENE]))

        def pair(s: int, p: int, d: int, seen: torch.Tensor = seen) -> nn.Module:
            gates = PairGates(s, p, d)
            gates.trained[:] = seen
            return gates

        def text(x: np.ndarray, kind: Callable = lambda x, d: TextGates(x, 1, d)) -> Tower:
            return partial(Gated, make=lambda s, p, d: kind(torch.from_numpy(x), d))

        systems = {
            "mean gate": Pooled, "mean gate + own past": OwnPast, "pair gates, mean of the trained": partial(Gated, make=pair), "gates from text": text(e),
            "descriptions exchanged": [text(m) for m in mixed], "side by side": text(e, SideBySide), "gates from the truth": partial(Gated, make=lambda s, p, d, k=shared: TrueGates(k, d)),
        }  # fmt: skip
        if few:
            out[f"theme share {share}"] = rows(vectors, split, split, {name: systems[name] for name in few}, {}, "mean gate", batch=64, negatives=100)
            continue
        world_out = rows(vectors, split, split, systems, {}, "mean gate", batch=64, negatives=100)
        for name, model in (("text-kNN", TextKNN(vectors)), ("oracle, text-only", world.oracle("text-only"))):
            world_out[name] = {"slices": figures(judge(model.fit(split.train, split.until), split))}
        out[f"theme share {share}"] = world_out
        free = fitted(vectors, partial(Gated, make=pair), split, batch=64, negatives=100).net.tower.gates.table.detach().numpy().mean(2) * log.n_scenes
        trained = [log.scene_code(n) for n in log.scenes[NAME][:40] if n not in held]
        cells = [(a, b) for a in trained for b in trained if a != b]
        world_out["pair gates by shared themes"] = {
            int(k): [float(np.mean(x := [free[a, b] for a, b in cells if shared[a, b] == k])), float(np.std(x)), len(x)] for k in np.unique([shared[a, b] for a, b in cells])
        }  # fmt: skip
        world_out["pair gates, own past"] = float(np.mean([free[a, a] for a in trained]))
    return out


def amazon() -> dict:
    """Six towers on the real shop, small: one pool a scene, 64 axes, two passes over a year; asked: a hashed half of the people."""
    log = load("amazon-fkb")
    split, vectors = temporal_split(log), read_items(log, centre="scene", strength=1.0, dim=64)
    half = asked(split, hash64(split.pairs[USER].to_numpy()) % np.uint64(2) == 0)
    systems = {name: TOWERS[name] for name in ("each scene alone", "pooled, no S", "scene as a feature", "own past", "pair gates", "PLE")}
    out = rows(vectors, split, half, systems, {}, "pooled, no S", batch=512, negatives=500, cuts=26, epochs=2)
    for name, model in (("prior alone", PopularityPrior()), ("text-kNN", TextKNN(vectors))):
        out[name] = {"slices": figures(judge(model.fit(split.train, split.until), half))}
    return out


def main() -> None:
    commands = {"unseen": unseen, "unseen-again": unseen_again, "towers": towers, "amazon-towers": amazon}
    torch.set_num_threads(1)
    for name in [word for word in sys.argv[1:] if word in commands] or commands:
        wall, began = time.perf_counter(), time.process_time()
        metrics = commands[name]()
        path = record(f"06-{name}", command=f"python benchmarks/chapter06.py {name}", metrics=metrics, seeds=list(SEEDS), seconds=round(time.perf_counter() - wall),
                      cpu_seconds=round(time.process_time() - began), intervals="95 %, 2,000 draws of people, on values averaged over seeds; those of differences widened by the seeds' own")  # fmt: skip
        print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    main()
