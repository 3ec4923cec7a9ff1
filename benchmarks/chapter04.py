"""The recorded runs of chapter 04: readers of item texts on Amazon, a decoder as a reader, and what it knows of the catalogue by heart.

    python benchmarks/chapter04.py encode                     # encodes what the rest reads, resumable
    python benchmarks/chapter04.py [choice readers memory decoder]   # writes data/results/04-*.json

Only aggregates are written; no row of the data.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import SCENE, InteractionLog
from recsys_lib.data.splits import hash64
from recsys_lib.evaluation import Judgement, _interval, compare, judge, scene_mean
from recsys_lib.generator import TextGenerator
from recsys_lib.language import TextEncoder, centred, item_texts, read_items, static_vectors, whiten
from recsys_lib.models.popularity import Popularity
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import record

SLICES = (("known", "ndcg10", "known", "all"), ("known, new items", "recall100", "known", "new"), ("withheld", "ndcg10", "withheld", "all"))
START, MIDDLE, END = ("bel cor dal fer gar hal jor kel lor mar nor pel quin ros sel tor".split(), "a e i o u ai ea io".split(),
                      "vex lin dro mond fix tane rulo zim pard nesk".split())  # fmt: skip


def invented(word: str) -> str:
    """A made-up name for a word, always the same one."""
    h = int(hash64(*[ord(c) for c in word.lower()]))
    return "".join(part[(h >> (8 * k)) % len(part)] for k, part in enumerate((START, MIDDLE, END))).title()


def renamed(texts: list[str], scene: np.ndarray, least: int = 3) -> tuple[list[str], float]:
    """Texts whose first word, mostly a brand, is an invented name wherever it begins at least ``least`` titles of a scene; and the share renamed."""
    first = [text.split(" ", 1)[0] for text in texts]
    count = Counter(zip(scene.tolist(), first, strict=True))
    out = [
        text.replace(word, invented(word)) if count[s, word] >= least and re.search("[A-Za-z]{2}", word) else text
        for s, word, text in zip(scene.tolist(), first, texts, strict=True)
    ]
    return out, float(np.mean([a != b for a, b in zip(texts, out, strict=True)]))


def encode() -> None:
    log, encoder = load("amazon-fkb"), TextEncoder()
    scene = log.items[SCENE].to_numpy()
    full, title = item_texts(log), item_texts(log, ("title",))
    for name, texts in (("titles and categories", full), ("titles", title), ("renamed", renamed(full, scene)[0])):
        began = time.perf_counter()
        encoder.encode(texts, show_progress=False)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


class TfIdf:
    """Text-kNN over TF-IDF, sparse: a word counts log(n / documents with it)."""

    def __init__(self, texts: list[str]) -> None:
        words = [Counter(re.findall("[a-z0-9]+", text.lower())) for text in texts]
        df = Counter(word for one in words for word in one)
        code = {word: k for k, word in enumerate(word for word, n in df.items() if n > 1)}
        rows = [(r, code[w], n * np.log(len(texts) / df[w])) for r, one in enumerate(words) for w, n in one.items() if w in code]
        r, c, x = map(np.array, zip(*rows, strict=True))
        self.items = normalize(sp.csr_matrix((x.astype(np.float32), (r, c)), shape=(len(texts), len(code))))

    def fit(self, log: InteractionLog, until: int | None = None) -> TfIdf:
        self.log, self.people = log, normalize(log.before(until).matrix() @ self.items)
        return self

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        return (self.people[users] @ self.items[self.log.scene_items(scene)].T).toarray()


def normalize(x: sp.csr_matrix) -> sp.csr_matrix:
    """Rows of length 1."""
    return sp.csr_matrix(sp.diags(1 / np.maximum(np.sqrt(x.multiply(x).sum(1)).A1, 1e-9)) @ x)


def figures(j: Judgement) -> dict[str, list[float]]:
    """Mean, interval and n of the slices the chapter shows."""
    out = {}
    for name, metric, person, item in SLICES:
        part = j.slice(person, item)
        out[name] = [scene_mean(part, metric), *_interval(part, metric), len(part)]
    return out


def same_maker(lists: np.ndarray, users: np.ndarray, log: InteractionLog, first: list[str]) -> float:
    """Share of the places in the lists whose title begins with the same word as something in the person's history."""
    code = np.unique(first, return_inverse=True)[1]
    hits = [np.isin(code[one[one >= 0]], code[mine]).mean() for one, mine in ((one, log.indices[log.indptr[u] : log.indptr[u + 1]]) for one, u in zip(lists, users, strict=True)) if len(mine)]
    return float(np.mean(hits))


def readers() -> dict:
    """Every reader of Amazon's titles, judged under the contract; every second person, all of them in a fixed order."""
    log, encoder = load("amazon-fkb"), TextEncoder()
    s, scene = temporal_split(log), log.items[SCENE].to_numpy()
    keep = np.flatnonzero(s.pairs["user"].to_numpy() % 2 == 0)
    s = replace(s, pairs=s.pairs.iloc[keep].reset_index(drop=True), positives=[s.positives[k] for k in keep])
    full, title = item_texts(log), item_texts(log, ("title",))
    other, share = renamed(full, scene)
    first = [f"{c} {t.split(' ', 1)[0]}" for c, t in zip(scene, full, strict=True)]
    mini, static, sif = encoder.encode(full), static_vectors(full, encoder), static_vectors(full, encoder, sif=1e-3)
    mini_r, sif_r = encoder.encode(other), static_vectors(other, encoder, sif=1e-3)
    vectors = {
        "MiniLM": mini, "MiniLM, centred": centred(mini), "MiniLM, scene-centred": centred(mini, scene),
        "MiniLM, half whitened": whiten(mini, strength=0.5), "MiniLM, whitened": whiten(mini), "MiniLM, whitened, 128 axes": whiten(mini, 128),
        "MiniLM, scene-centred, whitened": whiten(centred(mini, scene)),
        "MiniLM, titles only": encoder.encode(title), "MiniLM, titles only, whitened": whiten(encoder.encode(title)),
        "static": static, "static, whitened": whiten(static), "static SIF": sif, "static SIF, whitened": whiten(sif),
        "renamed: MiniLM": mini_r, "renamed: MiniLM, whitened": whiten(mini_r), "renamed: static SIF": sif_r, "renamed: static SIF, whitened": whiten(sif_r),
    }  # fmt: skip
    models = {name: TextKNN(v) for name, v in vectors.items()} | {"TF-IDF": TfIdf(full), "renamed: TF-IDF": TfIdf(other)}
    judged, out = {}, {}
    for name, model in models.items():
        j = judged[name] = judge(model.fit(s.train, s.until), s, name)
        known = (s.pairs["kind"] == "known").to_numpy()
        out[name] = figures(j) | {"same first word": same_maker(j.lists[known], s.pairs["user"].to_numpy()[known], s.train.matrix(), first)}
        print(f"{name:34s}", [round(v[0], 4) if isinstance(v, list) else round(v, 3) for v in out[name].values()], f"{j.seconds:.0f} s", flush=True)
    pairs = {}
    for a, b in (("static SIF", "MiniLM"), ("MiniLM, whitened", "static SIF, whitened"), ("MiniLM, whitened", "MiniLM"), ("MiniLM, whitened", "static, whitened"),
                 ("MiniLM, whitened", "TF-IDF"), ("renamed: MiniLM, whitened", "MiniLM, whitened"), ("renamed: static SIF, whitened", "static SIF, whitened"),
                 ("renamed: TF-IDF", "TF-IDF"), ("MiniLM, titles only, whitened", "MiniLM, whitened")):  # fmt: skip
        pairs[f"{a} − {b}"] = {k: compare(judged[a], judged[b], metric, person, item) for k, metric, person, item in SLICES}
    popular = judge(Popularity(30).fit(s.train, s.until), s, "popularity, 30 days")
    spread = {name: float(v.mean(0) @ v.mean(0)) for name, v in (("MiniLM", mini), ("static", static), ("static SIF", sif))}
    tokens = np.array([len(x) for x in encoder.tokenizer(full)["input_ids"]])
    return {"readers": out, "differences": pairs, "popularity, 30 days": figures(popular), "renamed share": share, "mean cosine": spread,
            "longer than 48 tokens": float((tokens > 48).mean())}  # fmt: skip


def choice() -> dict:
    """NDCG@10 on Amazon before T, on the validation split, of each centre and strength: what may choose a bend."""
    log = load("amazon-fkb")
    v, out = temporal_split(log).validation(), {}
    for centre in ("none", "scene"):
        for strength in (None, 0.5, 1.0):
            reader = TextKNN(read_items(log, centre=centre, strength=strength)).fit(v.train, v.until)
            out.setdefault(centre, {})[str(strength)] = ndcg10(reader, v, most=4000)
    return out


def memory(n: int = 300) -> dict:
    """Does the decoder know the catalogue? The rest of a title given its own first word, and given another's; and does it go on word for word?"""
    writer, out = TextGenerator(device="cpu"), {}
    logs = {"Amazon": load("amazon-fkb"), "SceneWorld": load("sceneworld")}
    for name, log in logs.items():
        scene, titles = log.items[SCENE].to_numpy(), log.items["title"].tolist()
        split = [t.split(" ", 1) for t in titles]
        if name == "SceneWorld":  # "Maker thing with …": only titles that begin with the maker
            usable = [k for k, (m, w) in enumerate(zip(log.items["maker"], split, strict=True)) if w[0].strip(":") == m and scene[k] < 5]
        else:
            count = Counter((s, w[0]) for s, w in zip(scene.tolist(), split, strict=True))
            usable = [k for k, w in enumerate(split) if len(w) == 2 and count[int(scene[k]), w[0]] >= 3 and len(w[1].split()) >= 3]
        usable = np.array(usable)
        pick = usable[np.argsort(hash64(usable))[:n]]
        gain = []
        for k in pick:
            others = [j for j in usable[np.argsort(hash64(usable, int(k)))] if scene[j] == scene[k] and split[j][0] != split[k][0]]
            asked = [f"Complete the name of this product: {split[j][0]}" for j in (k, others[0])]
            right, wrong = writer.log_likelihood(asked, [split[k][1]], show_progress=False)[:, 0]
            gain.append(right - wrong)
        gain = np.array(gain)
        rng = np.random.default_rng(0)
        draws = np.quantile([(rng.choice(gain, len(gain)) > 0).mean() for _ in range(2000)], [0.025, 0.975])
        half = [t.split() for t in (titles[k] for k in pick)]
        half = [(" ".join(w[: len(w) // 2]), w[len(w) // 2 :]) for w in half if len(w) >= 6]
        half = half[:100]
        written = writer.write([f"Complete the name of this product: {start}" for start, _ in half], max_new_tokens=24, show_progress=False)
        said = [" ".join(rest[:3]).lower() in text.lower() for text, (_, rest) in zip(written, half, strict=True)]
        out[name] = {"own first word likelier": [float((gain > 0).mean()), *draws.tolist(), len(gain)], "nats": float(gain.mean()),
                     "next three words verbatim": [float(np.mean(said)), len(said)]}  # fmt: skip
        print(name, out[name], flush=True)
    return out


def decoder() -> dict:
    """SmolLM2 and MiniLM as readers of SceneWorld, raw and bent, in both worlds."""
    out = {}
    for share in (0.8, 0.2):
        log = load("sceneworld", theme_share=share)
        s, scene = temporal_split(log), log.items[SCENE].to_numpy()
        live = scene < 5
        texts = [t for t, here in zip(item_texts(log, ("title", "description")), live, strict=True) if here]
        read = {"MiniLM": TextEncoder().encode(texts), "SmolLM2": TextGenerator(device="cpu").hidden(texts)}
        for name, v in read.items():
            v = v / np.linalg.norm(v, axis=1, keepdims=True)
            shapes = {"": v, ", scene-centred": centred(v, scene[live]), ", scene-centred, half whitened": whiten(centred(v, scene[live]), strength=0.5)}
            for how, x in shapes.items():
                whole = np.zeros((log.n_items, x.shape[1]), np.float32)
                whole[live] = x
                out.setdefault(name + how, {})[f"theme share {share}"] = figures(judge(TextKNN(whole).fit(s.train, s.until), s))
            out[name]["mean cosine"] = float(v.mean(0) @ v.mean(0))
    return out


def main() -> None:
    commands = {"choice": choice, "readers": readers, "memory": memory, "decoder": decoder}
    for name in [word for word in sys.argv[1:] if word in commands] or commands:
        began = time.perf_counter()
        metrics = commands[name]()
        path = record(f"04-{name}", command=f"python benchmarks/chapter04.py {name}", metrics=metrics, seeds=[0], seconds=round(time.perf_counter() - began),
                      intervals="95 %, 2,000 draws of people")  # fmt: skip
        print(f"wrote {path}")


if __name__ == "__main__":
    encode() if "encode" in sys.argv else main()
