"""Train, judge and use the book's system outside notebooks.

    python -m recsys_lib fit       --data sceneworld --preset tiny --system my_system
    python -m recsys_lib recommend --data sceneworld --preset tiny --system my_system --scene music --user u0000007
    python -m recsys_lib evaluate  --data sceneworld --preset tiny

The system is scene fusion, R = f(P, I, S, L): a person is what they did in all scenes (P), an item is what a language model reads in its
title, categories and description (I, L), and a learned gate says what of the past counts in the scene they are in now (S). It needs no person's and no
item's number, so it serves people it never met, and items nobody touched. Beside it stands item-kNN ("who took this also took that").

Your own data is a folder with two tables, csv, csv.gz or parquet:

    interactions   user_id, item_id, scene, timestamp      one row a thing done; Unix seconds or ISO dates; rating and others if you like
    items          item_id, scene, title                   one row a thing; categories, description and others if you like
    scenes, users  scene, description / user_id, …         only if you have them

Of the items, title, categories and description are read, in this order and as one text, of which the first 48 tokens (about 35 words) count.

Read `python -m recsys_lib fit --help` next. Every error is one sentence that says which row or option is wrong and what to do.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_lib.data import InteractionLog, held_out_scene, load, load_tidy, temporal_split
from recsys_lib.data.log import ITEM_ID, NAME, SCENE, TEXTS, TITLE, USER, USER_ID
from recsys_lib.data.sources import explained, writing
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.evaluation import judge, scoreboard
from recsys_lib.language import read_items
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.models.textknn import TextKNN
from recsys_lib.recommend import as_text, recommend

DATA = "a data set of the book (sceneworld, amazon-fkb, movielens-1m, …) or a folder with your own two tables, interactions and items"
FEW = 30  # pairs; from fewer, an interval says little
ABOUT = {
    "fit": """Read the items' texts (title, categories and description; once, the vectors stay in the cache), train scene fusion on all events, and save it into one folder:
system.json, which you can read, and one safetensors file. Nothing is pickled. For a figure of how good it is, use `evaluate`: a system that has
seen all events cannot be judged on any of them.""",
    "evaluate": """How good would it have been? Time is cut at T, where four fifths of all events lie before. Everything is fitted on what came before T and judged on
what people did after it, against the whole catalogue of each scene. Rows are systems, best first. Columns are people × items: people who were
active in the scene before T (known) or whose events there were hidden for the test (withheld); items with an event before T (known), without one
(new), or all. A difference smaller than the intervals beside it is not yet a difference. Nothing is tuned, and nothing is saved.

With --hold-out SCENE it is that scene's opening day: none of its events is learned from, its items are known by their texts alone, and all who did
something there after T are asked, arrivals (with a past elsewhere) and strangers (without).""",
    "recommend": """The best items of one scene for one person whom the tables know, after what they did last, with their item_id. What they have already is left out. The
tables may have grown since `fit`: newer events and new people count at once, without training again. New items need a new `fit`.""",
}


def parser() -> argparse.ArgumentParser:
    """The commands and what each option means."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="python -m recsys_lib", description=__doc__, formatter_class=raw)
    commands = top.add_subparsers(dest="command", required=True, metavar="fit | evaluate | recommend")
    fit = commands.add_parser("fit", help="read the items' texts, train scene fusion on all events, save it into one folder", description=ABOUT["fit"], formatter_class=raw)
    fit.add_argument("--system", required=True, type=Path, help="the folder to write; a system that is there already is replaced")
    evaluate = commands.add_parser("evaluate", help="cut time at T, fit on what came before, judge on what came after, beside baselines", description=ABOUT["evaluate"], formatter_class=raw)
    use = commands.add_parser("recommend", help="the best items of one scene for one person, with what they did before", description=ABOUT["recommend"], formatter_class=raw)
    use.add_argument("--system", required=True, type=Path, help="a folder that `fit` wrote")
    use.add_argument("--user", required=True, help="a user_id of your tables; of a data set of the book that has dropped them, a person's number from 0")
    use.add_argument("--scene", required=True, help="where the person is now, e.g. music")
    use.add_argument("-k", type=int, default=10, help="how many items (default %(default)s)")
    use.add_argument("--csv", type=Path, metavar="FILE", help="also write the list there: user_id, scene, place, item_id, title, score")
    evaluate.add_argument("--hold-out", metavar="SCENE", help="judge this scene as on its opening day: learn from no event of it")
    for command in (fit, evaluate):
        command.add_argument("--epochs", type=int, default=4, help="passes over the training events (default %(default)s)")
        command.add_argument("--seed", type=int, default=0, help="everything random follows from it (default %(default)s)")
    for command in (fit, evaluate, use):
        command.add_argument("--data", required=True, help=DATA)
        command.add_argument("--preset", help="for sceneworld: tiny, default, shop-100k, … (default default)")
        command.add_argument("--theme-share", type=float, help="for sceneworld: the share of taste that texts can tell, .2 or .8 (default .8)")
    for command in (evaluate, use):
        command.add_argument("--weight", type=float, default=1.0, help="of item-kNN beside scene fusion; 0 leaves it out (default %(default)s)")
    return top


def open_data(args: argparse.Namespace) -> InteractionLog:
    """A log by the name of a data set or by a folder of tidy tables."""
    options = {name: value for name in ("preset", "theme_share") if (value := getattr(args, name)) is not None}
    if options and args.data != "sceneworld":
        raise BadData(f"--{next(iter(options)).replace('_', '-')} belongs to sceneworld alone; leave it out with {args.data}.")
    if Path(args.data).is_dir():
        return load_tidy(args.data)
    if Path(args.data).name != args.data:
        raise BadData(f"there is no folder {args.data}; give {DATA}.")
    return load(args.data, **options)


def check(args: argparse.Namespace, log: InteractionLog) -> None:
    """Raise BadData for data that cannot be learned from, before anything is read."""
    if args.command != "recommend" and log.time_kind not in ("second", "day"):
        raise BadData(
            f"{log.name} has time of kind {log.time_kind!r}, and {args.command} needs moments that hold for everyone; take data with dates (sceneworld, amazon-fkb, "
            "movielens-1m, your own tables), or the models of recsys_lib.models in Python, after source_split(log)."
        )


def check_options(args: argparse.Namespace) -> None:
    """Raise BadData for a number out of range, before any data is opened."""
    options = vars(args)
    if not 0 <= options.get("weight", 1.0) < math.inf:
        raise BadData(f"--weight is {args.weight}; give a number from 0, which leaves item-kNN out, upwards.")
    if options.get("epochs", 1) < 1:
        raise BadData(f"--epochs is {args.epochs}; train for at least one.")
    if options.get("seed", 0) < 0:
        raise BadData(f"--seed is {args.seed}; give a whole number, 0 or more.")
    if options.get("csv") and args.csv.is_dir():
        raise BadData(f"--csv {args.csv} is a folder; name a file in it.")


def system(log: InteractionLog, epochs: int, seed: int) -> SceneFusion:
    """Scene fusion over whitened text vectors; not fitted yet."""
    return SceneFusion(read_items(log, fields=TEXTS, strength=1.0), epochs=epochs, seed=seed)


def fit(args: argparse.Namespace, log: InteractionLog) -> None:
    """Train on everything and save."""
    began = time.perf_counter()
    with explained(args.system / "system.json"):  # before an hour of training, not after it
        args.system.mkdir(parents=True, exist_ok=True)
    folder = system(log, args.epochs, args.seed).fit(log, show_progress=True).save(args.system)
    person = log.users[USER_ID].iloc[log.events[USER].iloc[-1]] if USER_ID in log.users else log.events[USER].iloc[-1]
    words = ["python", "-m", "recsys_lib", "recommend", "--data", args.data, "--system", str(folder), "--scene", str(log.scenes[NAME][0]), "--user", str(person)]
    words += ["--preset", args.preset] if args.preset else []
    words += ["--theme-share", str(args.theme_share)] if args.theme_share is not None else []
    print(f"saved in {folder} after {time.perf_counter() - began:.0f} s; next: {shlex.join(words)}")


def evaluate(args: argparse.Namespace, log: InteractionLog) -> None:
    """Judge the system and its baselines on what came after T."""
    split = held_out_scene(log, args.hold_out) if args.hold_out is not None else temporal_split(log)
    elsewhere = f" outside {args.hold_out}" if args.hold_out is not None else ""
    if split.train.events.empty:
        raise BadData(
            f"{log.name} has no events before T{elsewhere}, four fifths into its {len(log.events)} events, so there is nothing to learn from; "
            "give tables with more events at different times."
        )
    if split.pairs.empty:
        raise BadData(f"{log.name} has no event in {args.hold_out} after T, so there is nobody to ask; hold out another scene.")
    print(f"training: {len(split.train.events):,} events before T{elsewhere}; questions: {len(split.pairs):,} (person, scene), {split.pairs['kind'].value_counts().to_dict()}")
    fusion = system(log, args.epochs, args.seed).fit(split.train, split.until, show_progress=True)
    models = {f"popularity, {f'{days} days' if days else 'all time'}": Popularity(days).fit(split.train, split.until) for days in (30, None)}
    models |= {"text-kNN, untrained": TextKNN(read_items(log, fields=TEXTS), center="scene").fit(split.train, split.until), "scene fusion": fusion}
    if args.weight:
        prior, knn = PopularityPrior().fit(split.train, split.until), ItemKNN(neighbours=200).fit(split.train, split.until)
        models |= {"prior + item-kNN": Mix(prior, knn, args.weight, 500), "scene fusion + item-kNN": Mix(fusion, knn, args.weight, 500)}
    judged = [judge(model, split, name, progress=True) for name, model in models.items()]
    slices = [which for which in (("known", "known"), ("known", "new"), ("withheld", "all")) if len(judged[0].slice(*which))]
    slices = slices or [(kind, "all") for kind in judged[0].pairs["person"].unique()]  # nobody came back to a scene
    smallest = min(len(log.scene_items(s)) for s in split.pairs["scene"].unique())  # a hundred places of a hundred items hold everything
    recall = [("recall100", "Recall@100")] if smallest > 500 else [("recall10", "Recall@10")] if smallest > 10 else []
    for metric, what in (("ndcg10", "NDCG@10"), *recall):
        print(f"\n{what}, {split.protocol}, by person × item, with 95 % intervals\n{scoreboard(judged, metric, slices).round(4).to_string()}")
    if not recall:
        print(f"\nRecall@10 is left out: the smallest scene has {smallest} items, and a list of ten holds them all.")
    few = [f"{person} × {item} ({n})" for person, item in slices if (n := len(judged[0].slice(person, item))) < FEW]
    if few:
        print(f"\nFewer than {FEW} pairs: {', '.join(few)}; their intervals say little.")
    print("\nNothing was tuned: each row has the settings it comes with, and may do better with others (in Python, choose them on the split's validation()).")


def suggest(args: argparse.Namespace, log: InteractionLog) -> None:
    """What the person did last, and the list."""
    fusion = SceneFusion.load(args.system, log)
    model = Mix(fusion, ItemKNN(neighbours=200).fit(log), args.weight, 500) if args.weight else fusion
    person, scene, titles = log.user_code(args.user), log.scene_code(args.scene), log.items[TITLE]
    best = recommend(model, [person], scene, args.k, log)[0]
    best = best[best >= 0]
    last = log.events[log.events[USER] == person].tail(5)
    for row in last.itertuples():
        print(f"  before: {log.scenes[NAME][row.scene]:12s} {titles[row.item]}")
    if last.empty:
        print("  before: nothing is known, so this is the list everyone new gets")
    keys = log.items[ITEM_ID].iloc[best]
    print(as_text(log, best, [f"item_id {key}" for key in keys]))
    if args.csv:
        scores = model.score(np.array([person]), scene, log)[0][best - log.scene_items(scene)[:1]]
        place = np.arange(1, len(best) + 1)
        table = pd.DataFrame({USER_ID: args.user, SCENE: args.scene, "place": place, ITEM_ID: keys.to_numpy(), TITLE: titles.iloc[best].to_numpy(), "score": scores})
        print(f"written to {writing(args.csv, lambda part: table.to_csv(part, index=False))}")


def main(words: list[str] | None = None) -> None:
    """Run one command."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot write a letter gets a question mark in its place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = parser().parse_args(words)
    check_options(args)
    log = open_data(args)
    print(log)
    check(args, log)
    {"fit": fit, "evaluate": evaluate, "recommend": suggest}[args.command](args, log)


if __name__ == "__main__":
    warnings.formatwarning = lambda message, *_, **__: f"note: {message}\n"
    try:
        main()
    except RecsysError as problem:
        sys.exit(f"error: {problem}")
