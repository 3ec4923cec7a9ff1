"""Train, judge and use the book's system outside notebooks.

    python -m recsys_lib fit       --data sceneworld --preset tiny --system my_system
    python -m recsys_lib recommend --data sceneworld --preset tiny --system my_system --scene music --user u0000007
    python -m recsys_lib evaluate  --data sceneworld --preset tiny

The system is scene fusion, R = f(P, I, S, L): a person is what they did in all scenes (P), an item is what a language model reads in its
title and categories (I, L), and a learned gate says what of the past counts in the scene they are in now (S). It needs no person's and no
item's number, so it serves people it never met, and items nobody touched. Beside it stands item-kNN ("who took this also took that").

Your own data is a folder with two tables, csv, csv.gz or parquet:

    interactions   user_id, item_id, scene, timestamp      one row a thing done; Unix seconds or ISO dates; rating and others if you like
    items          item_id, scene, title                   one row a thing; description, categories and others if you like
    scenes, users  scene, description / user_id, …         only if you have them

Read `python -m recsys_lib fit --help` next. Every error is one sentence that says which row or option is wrong and what to do.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

import numpy as np

from recsys_lib.data import InteractionLog, load, load_tidy, temporal_split
from recsys_lib.data.log import NAME, TITLE, USER, USER_ID
from recsys_lib.data.sources import explained
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.evaluation import judge, scoreboard
from recsys_lib.language import read_items
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.recommend import as_text, recommend

DATA = "a data set of the book (sceneworld, amazon-fkb, movielens-1m, …) or a folder with your own two tables, interactions and items"
ABOUT = {
    "fit": """Read the items' texts (once; the vectors stay in the cache), train scene fusion on all events, and save it into one folder:
system.json, which you can read, and one safetensors file. Nothing is pickled. For a figure of how good it is, use `evaluate`: a system that has
seen all events cannot be judged on any of them.""",
    "evaluate": """How good would it have been? Time is cut at T, where four fifths of all events lie before. Everything is fitted on what came before T and judged on
what people did after it, against the whole catalogue of each scene. Rows are systems, best first. Columns are people × items: people who were
active in the scene before T (known) or whose events there were hidden for the test (withheld); items with an event before T (known), without one
(new), or all. A difference smaller than the intervals beside it is not yet a difference. Nothing is saved.""",
    "recommend": """The best items of one scene for one person whom the tables know, after what they did last. What they have already is left out. The tables may have
grown since `fit`: newer events and new people count at once, without training again. New items need a new `fit`.""",
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


def system(log: InteractionLog, epochs: int, seed: int) -> SceneFusion:
    """Scene fusion over whitened text vectors; not fitted yet."""
    if epochs < 1:
        raise BadData(f"--epochs is {epochs}; train for at least one.")
    return SceneFusion(read_items(log, strength=1.0), epochs=epochs, seed=seed)


def user_code(log: InteractionLog, user: str) -> int:
    """The code of a person given by key or, where keys were dropped, by number."""
    if USER_ID in log.users and (log.users[USER_ID].astype(str) == user).any():
        return int(np.argmax(log.users[USER_ID].astype(str) == user))
    if USER_ID not in log.users and user.isdecimal() and int(user) < log.n_users:
        return int(user)
    known = f"a user_id of the tables, such as {log.users[USER_ID].iloc[0]}" if USER_ID in log.users else f"a number below {log.n_users}"
    raise BadData(f"there is no person {user!r} in {log.name}; give {known}.")


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
    split = temporal_split(log)
    print(f"training: {len(split.train.events):,} events before T; questions: {len(split.pairs):,} (person, scene), {split.pairs['kind'].value_counts().to_dict()}")
    fusion = system(log, args.epochs, args.seed).fit(split.train, split.until, show_progress=True)
    prior, knn = PopularityPrior().fit(split.train, split.until), ItemKNN(neighbours=200).fit(split.train, split.until)
    models = {"popularity, 30 days": Popularity(30).fit(split.train, split.until), "prior + item-kNN": Mix(prior, knn, args.weight, 500), "scene fusion": fusion}
    if args.weight:
        models["scene fusion + item-kNN"] = Mix(fusion, knn, args.weight, 500)
    judged = [judge(model, split, name, progress=True) for name, model in models.items()]
    slices = [which for which in (("known", "known"), ("known", "new"), ("withheld", "all")) if len(judged[0].slice(*which))]
    slices = slices or [(kind, "all") for kind in judged[0].pairs["person"].unique()]  # nobody came back to a scene
    smallest = min(len(log.scene_items(s)) for s in split.pairs["scene"].unique())  # a hundred places of a hundred items hold everything
    for metric, what in (("ndcg10", "NDCG@10"), ("recall100", "Recall@100") if smallest > 500 else ("recall10", "Recall@10")):
        print(f"\n{what}, {split.protocol}, by person × item, with 95 % intervals\n{scoreboard(judged, metric, slices).round(4).to_string()}")


def suggest(args: argparse.Namespace, log: InteractionLog) -> None:
    """What the person did last, and the list."""
    fusion = SceneFusion.load(args.system, log)
    model = Mix(fusion, ItemKNN(neighbours=200).fit(log), args.weight, 500) if args.weight else fusion
    person, titles = user_code(log, args.user), log.items[TITLE]
    last = log.events[log.events[USER] == person].tail(5)
    for row in last.itertuples():
        print(f"  before: {log.scenes[NAME][row.scene]:12s} {titles[row.item]}")
    if last.empty:
        print("  before: nothing is known, so this is the list everyone new gets")
    print(as_text(log, recommend(model, [person], args.scene, args.k, log)[0]))


def main(words: list[str] | None = None) -> None:
    """Run one command."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot write a letter gets a question mark in its place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    args = parser().parse_args(words)
    log = open_data(args)
    print(log)
    {"fit": fit, "evaluate": evaluate, "recommend": suggest}[args.command](args, log)


if __name__ == "__main__":
    try:
        main()
    except RecsysError as problem:
        sys.exit(f"error: {problem}")
