"""Scene fusion, which reads titles, beside every peer on the shop, pair by pair.

    python -m benchmarks.peers.with_text --record peers-with-text

Each peer's values question by question are those of its own recorded run (peers-amazon-fkb); where this machine has not kept them, its model is fitted once
more with the setting that the run chose. Of peers whose figures are the same in every slice, one EASE that is another's, the first stands for all. With ``--only``
the other peers' differences stay as they were recorded.
Scene fusion's settings are those of its recorded run (06-amazon): chosen before T, too.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.peers.__main__ import METRICS, SLICES, again, at_hand, kept, measured
from benchmarks.peers.exchange import export
from benchmarks.scene_fusion import BOTH, WINDOWS, gaps, in_slices, side_by_side, two_readers
from recsys_lib.data import load, temporal_split
from recsys_lib.data.sources import cache_dir
from recsys_lib.evaluation import judge, over_seeds
from recsys_lib.language import item_texts
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.new_items import NewItemLane
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.results import load_result, record, so_far

LANE = f"{BOTH}, every tenth place after the tenth for a new item"


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--seeds", type=int, default=3)
    args.add_argument("--only", nargs="*", help="peers' models, such as 'cornac: BPR'; all of them if left out")
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    log, work = load("amazon-fkb"), cache_dir() / "peers" / "with-text"
    split, texts = temporal_split(log), item_texts(log)
    export(split, work / "test.npz")
    peers = {name: m for name, m in load_result("peers-amazon-fkb")["metrics"].items() if m["library"] != "ours" and (not args.only or name in args.only)}
    if wrong := set(args.only or ()) - set(peers):
        raise SystemExit(f"{', '.join(sorted(wrong))}: not in peers-amazon-fkb, which has {', '.join(load_result('peers-amazon-fkb')['metrics'])}.")
    chosen = load_result("06-amazon")["settings"]
    vectors = side_by_side(two_readers(texts), chosen["axes"])
    knn, runs, seconds = ItemKNN(**chosen["knn"]).fit(split.train, split.until), {}, []
    for seed in range(args.seeds):
        began = time.process_time()
        fusion = SceneFusion(vectors, windows=WINDOWS, seed=seed).fit(split.train, split.until)
        seconds.append(time.process_time() - began)
        both = Mix(fusion, knn, chosen["weight"], chosen["scale"])
        for name, model in {"scene fusion": fusion, BOTH: both, LANE: NewItemLane(both, 10, 10).mark(split.train)}.items():
            runs.setdefault(name, []).append(judge(model, split, name))
            print(seed, name, runs[name][-1].value(item="all"), flush=True)
    judged, there, folder = {}, [], cache_dir() / "peers" / "amazon-fkb" / "judged"
    for name, m in peers.items():
        figures = np.array([part["ndcg10"] for part in m["slices"].values()])
        if any(np.allclose(figures, other, rtol=0, atol=1e-7) for other in there):
            continue
        there.append(figures)
        if (held := at_hand(name, m, split, folder)) is None:
            kept(measured(m["library"], m["model"], m["setting"], range(m["seeds"]), split, work)[0], folder / f"{name}.parquet")
            held = again(name, split, folder / f"{name}.parquet")
        judged[name] = held
        print(name, held.value(item="all"), "was", m["slices"]["known × all"]["ndcg10"], flush=True)
    figures = so_far(args.record) if args.record and args.only else {}
    for name, ours in {name: over_seeds(run) for name, run in runs.items()}.items():
        minus = {peer: gaps(ours, theirs, METRICS, SLICES) for peer, theirs in judged.items()}
        figures[name] = {"slices": in_slices(ours, SLICES), "minus": figures.get(name, {}).get("minus", {}) | minus}
        for peer, gap in minus.items():
            print(name, "minus", peer, {s: (round(g["ndcg10"]["difference"], 5), round(g["ndcg10"]["low"], 5)) for s, g in gap.items()})
    if args.record:
        record(args.record, command=f"python -m benchmarks.peers.with_text --seeds {args.seeds} --record {args.record}", metrics=figures, data="amazon-fkb", protocol=split.protocol,
               seeds=list(range(args.seeds)), seconds_fit=float(np.mean(seconds)), threads=1)  # fmt: skip


if __name__ == "__main__":
    main()
