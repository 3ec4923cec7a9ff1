"""How long judging takes: ours, LensKit's and cornac's, of the same recommendations, with equal values.

    python -m benchmarks.peers.judging [--record peers-judging]

The recommendations are our item-kNN's for all questions of MovieLens-1M after T. cornac's ``ranking_eval`` reads the scores of the whole catalogue, LensKit the
ten best of each list, and both make NDCG@10 only. Ours does each of these two jobs, from the same arrays; and ``judge`` reads the scores once and makes Recall@10
and @100, the matched AUC and the three item slices besides. Processor seconds, one thread, the least of three goes; building each library's own structures is
not counted.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from benchmarks.peers.environment import run_script
from benchmarks.peers.exchange import Given, export
from benchmarks.peers.peer import least
from recsys_lib.data import load, temporal_split
from recsys_lib.data.log import USER
from recsys_lib.data.sources import cache_dir
from recsys_lib.data.splits import tie_order
from recsys_lib.evaluation import judge
from recsys_lib.metrics import list_ndcg
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.validation import ndcg10
from recsys_lib.results import record


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--record", metavar="ID")
    args = args.parse_args()
    split, work = temporal_split(load("movielens-1m")), cache_dir() / "peers" / "judging"
    scores = ItemKNN(shrink=200).fit(split.train).score(split.pairs[USER].to_numpy(), 0)
    given = Given(scores, split)
    ours, whole = least(lambda: judge(given, split))
    from_scores, seconds = least(lambda: ndcg10(given, split, most=len(split.pairs)))
    from_lists, short = least(lambda: list_ndcg(ours.lists, split.positives).mean())
    figures: dict[str, dict[str, Any]] = {
        "ours": {"seconds": whole, "ndcg10": float(ours.pairs.loc[ours.pairs.item == "all", "ndcg10"].mean())},
        "ours, NDCG@10 of scores": {"seconds": seconds, "ndcg10": from_scores},
        "ours, NDCG@10 of lists": {"seconds": short, "ndcg10": float(from_lists)},
    }
    order = tie_order(split.log.scene_items(0))
    scores = scores[:, order]
    place = np.empty(scores.shape, np.float32)  # how many stand below: the same order without ties
    np.put_along_axis(place, np.argsort(-scores, axis=1, kind="stable"), np.arange(scores.shape[1], 0, -1, np.float32)[None], axis=1)
    export(split, work / "test.npz")
    back = np.argsort(order)
    np.savez(work / "asked.npz", scores=place[:, back], lists=ours.lists, positives=np.concatenate(split.positives), size=[len(p) for p in split.positives])
    for peer, job in (("lenskit", "ours, NDCG@10 of lists"), ("cornac", "ours, NDCG@10 of scores")):
        run_script(peer, str(work / "test.npz"), str(work / "asked.npz"), str(work / f"{peer}.json"), script="judge")
        figures[peer] = json.loads((work / f"{peer}.json").read_text())
        figures[peer] |= {"job": job, "times_ours": figures[peer]["seconds"] / figures[job]["seconds"]}
        print(peer, figures[peer], flush=True)
    print({name: one for name, one in figures.items() if name.startswith("ours")})
    if args.record:
        record(args.record, command=f"python -m benchmarks.peers.judging --record {args.record}", metrics=figures, data="movielens-1m", protocol=split.protocol, pairs=len(split.pairs), threads=1)


if __name__ == "__main__":
    main()
