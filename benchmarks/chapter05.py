"""The recorded run of chapter 05: kinds of profile on Amazon and on SceneWorld, zero-shot, the decoder's own words among them.

    python -m benchmarks.chapter05        # writes data/results/05-profiles.json; what the decoder wrote stays on disk, so a stopped run goes on

Vector profiles are judged on every fourth person of Amazon and every second of SceneWorld, texts on a hashed sample of people (``n``), the decoder's on the first of
these in the same order. Only aggregates are written; no row of the data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import SCENE, USER, InteractionLog
from recsys_lib.data.splits import Split, hash64
from recsys_lib.evaluation import Judgement, _interval, compare, judge, scene_mean
from recsys_lib.generator import TextGenerator
from recsys_lib.language import TextEncoder, centred, item_texts, read_items, whiten
from recsys_lib.models.profileknn import ProfileKNN
from recsys_lib.profiles import Profiles, past_of, template
from recsys_lib.results import record
from recsys_lib.written_profiles import profile_prompts, written

READERS = {"sceneworld": (("title", "description"), "scene", None), "amazon-fkb": (("title", "categories"), "none", 1.0)}  # as chapter 04's past voted
SLICES = [(m, p, i) for p, i in (("known", "all"), ("withheld", "all")) for m in ("ndcg10", "recall100", "pm_auc")]


def only(s: Split, people: np.ndarray) -> Split:
    """The split with the questions of some people alone; training stays whole."""
    keep = np.flatnonzero(np.isin(s.pairs[USER], people))
    return replace(s, pairs=s.pairs.iloc[keep].reset_index(drop=True), positives=[s.positives[k] for k in keep])


def hashed(s: Split, n: int) -> np.ndarray:
    """The first n people of a hashed order among those with a past who are asked as known or withheld."""
    people = np.unique(s.pairs[USER][s.pairs["kind"].isin(["known", "withheld"])])
    return people[np.argsort(hash64(people))[:n]]


def latest(log: InteractionLog, k: int) -> InteractionLog:
    """The log with each person's k latest events alone."""
    past = past_of(log)
    return log.with_events(past[past.groupby(USER).cumcount() < k].sort_index())


def pooled(items: np.ndarray, half_life: float | None, each_scene: bool = False, own: int | None = None) -> Callable[[InteractionLog], np.ndarray]:
    """Log → one vector a person: all scenes' means, weighed by their number of events, or each scene alike."""

    def people(log: InteractionLog) -> np.ndarray:
        if each_scene:
            return Profiles(log, items, (half_life,)).at(np.arange(log.n_users), None).sum(1)
        one = replace(log, events=log.events.assign(**{SCENE: 0}), scenes=log.scenes[:1], items=log.items.assign(**{SCENE: 0}))
        return Profiles(one, items, (half_life,)).at(np.arange(log.n_users), None)[:, 0]

    return people


def bend(raw: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The linear map, float [d, e], that takes centred raw vectors to the bent ones; for whitening it is exact."""
    return np.linalg.lstsq(raw - raw.mean(0), items, rcond=None)[0]


def of_texts(texts: dict[int, str], encoder: TextEncoder, linear: np.ndarray | None, n_users: int) -> np.ndarray:
    """Encoded texts as profiles [n_users, e]: minus their own mean, through the items' map."""
    v = centred(encoder.encode(list(texts.values()), cache=False, show_progress=False))
    out = np.zeros((n_users, v.shape[1] if linear is None else linear.shape[1]), np.float32)
    out[list(texts)] = v if linear is None else v @ linear
    return out


def figures(j: Judgement) -> dict[str, list[float]]:
    out = {}
    for metric, person, item in SLICES:
        part = j.slice(person, item)
        if len(part):
            out[f"{person} {metric}"] = [scene_mean(part, metric), *_interval(part, metric), len(part)]
    return out


def differences(judged: dict[str, Judgement], pairs: list[tuple[str, str]]) -> dict[str, dict]:
    return {f"{a} − {b}": {f"{p} {m}": compare(judged[a], judged[b], m, p, i) for m, p, i in SLICES if len(judged[a].slice(p, i))} for a, b in pairs}


def run(name: str, options: dict, every: int, texted: int, writers: int) -> dict:
    """All kinds of profile on one log."""
    log, encoder, reader = load(name, **options), TextEncoder(), TextEncoder(max_tokens=256)
    fields, centre, strength = READERS[name]
    s, raw = temporal_split(log), encoder.encode(item_texts(log, fields), show_progress=False)
    items = read_items(log, encoder, fields=fields, centre=centre, strength=strength)
    linear = None if strength is None else bend(raw, whiten(raw, strength=strength))

    def measure(kinds: dict[str, Callable], asked: Split) -> dict[str, Judgement]:
        out = {}
        for kind, people in kinds.items():
            out[kind] = judge(ProfileKNN(items, people).fit(s.train, s.until), asked, kind)
            print(f"{name} {options} {kind:28s}", {k: round(v[0], 4) for k, v in figures(out[kind]).items()}, flush=True)
        return out

    mean = pooled(items, None)
    vectors = {"mean": mean} | {f"half-life {h} days": pooled(items, h) for h in (30, 90, 365)}
    vectors |= {f"last {k}": (lambda past, k=k: mean(latest(past, k))) for k in (1, 3, 8, 20)} | {"each scene alike": pooled(items, None, True)}
    everyone = measure(vectors, only(s, np.arange(0, log.n_users, every)))

    some = hashed(s, texted)
    few = some[:writers]
    plain, bare, long = (dict(zip(some.tolist(), template(s.train, some, s.until, last=k, about=about), strict=True)) for k, about in ((8, True), (8, False), (20, False)))
    titles = encoder.encode(item_texts(log, ("title",)), show_progress=False)
    titles = centred(titles, log.items[SCENE].to_numpy()) if linear is None else (titles - raw.mean(0)) @ linear
    one_by_one = pooled(_unit(titles), None)
    texts = {"mean": mean, "last 8": vectors["last 8"], "last 8, titles one by one": lambda past: one_by_one(latest(past, 8))}
    read = {kind: of_texts(t, reader, linear, log.n_users) for kind, t in (("template", plain), ("template, titles alone", bare), ("template, 20 titles", long))}
    texts |= {kind: (lambda past, v=v: v) for kind, v in read.items()}
    of_many = measure(texts, only(s, some))

    writer = TextGenerator(device="cpu")
    got, asked = written(s.train, few, writer, s.until), profile_prompts(s.train, few, s.until)
    began = time.process_time()
    writer.write(asked[:16], max_new_tokens=32, cache=False, show_progress=False)
    seconds = (time.process_time() - began) / 16
    own = of_texts(dict(zip(few.tolist(), got.texts, strict=True)), reader, linear, log.n_users)
    both = lambda past: _unit(own) + _unit(mean(past))  # noqa: E731
    of_few = measure(texts | {"written": lambda past: own, "written + mean": both}, only(s, few))
    print(got.counts, round(seconds, 2), "s", flush=True)
    return {
        "vectors": {k: figures(j) for k, j in everyone.items()},
        "vector differences": differences(everyone, [(k, "mean") for k in vectors if k != "mean"]),
        "texts": {k: figures(j) for k, j in of_many.items()},
        "text differences": differences(of_many, [("template", "mean"), ("template", "last 8, titles one by one"), ("template, titles alone", "last 8, titles one by one"), ("last 8, titles one by one", "last 8"), ("template, titles alone", "template"), ("template, 20 titles", "template, titles alone")]),
        "written": {k: figures(j) for k, j in of_few.items()},
        "written differences": differences(of_few, [("written", "mean"), ("written", "last 8, titles one by one"), ("written", "template"), ("template", "mean"), ("written + mean", "mean")]),
        "people": {"vectors": int(everyone["mean"].pairs.user.nunique()), "texts": len(some), "written": len(few)},
        "source": dict(got.counts), "cpu seconds a text": round(seconds, 2), **wording(got.texts, got.source, asked),
    }  # fmt: skip


def wording(texts: list[str], source: list[str], prompts: list[str | None]) -> dict:
    """Where the words of the written texts come from, and how many topics stand in more than one text in ten."""
    new, topics = [], []
    for text, how, prompt in zip(texts, source, prompts, strict=True):
        if how in ("written", "retried"):
            said = [t.strip().lower() for t in text.removeprefix("Likes ").rstrip(".").split(",")]
            words = [w for t in said for w in t.split()]
            new.append(np.mean([w not in prompt.lower() for w in words]))
            topics.append(set(said))
    named = [t for one in topics for t in one]
    common = sorted({t for t in named if named.count(t) > 0.1 * len(topics)}, key=lambda t: -named.count(t))[:5]
    return {"share of words not in the titles": float(np.mean(new)), "topics in more than a tenth of the texts": {t: named.count(t) / len(topics) for t in common}}


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def main() -> None:
    began, cpu, out = time.perf_counter(), time.process_time(), {}
    for key, name, options, *sizes in (
        ("theme share 0.8", "sceneworld", {"theme_share": 0.8}, 2, 400, 80),
        ("theme share 0.2", "sceneworld", {"theme_share": 0.2}, 2, 300, 40),
        ("amazon", "amazon-fkb", {}, 4, 400, 100),
    ):
        out[key] = run(name, options, *sizes)
        path = record("05-profiles", command="python -m benchmarks.chapter05", metrics=out, seeds=[0], seconds=round(time.perf_counter() - began),
                      cpu_seconds=round(time.process_time() - cpu), intervals="95 %, 2,000 draws of people", writer="SmolLM2-135M-Instruct, greedy, 32 tokens")  # fmt: skip
        print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    main()
