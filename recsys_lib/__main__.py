"""Train, judge and use the book's system outside notebooks.

    python -m recsys_lib fit       --data amazon-fkb --system my_system
    python -m recsys_lib evaluate  --data amazon-fkb
    python -m recsys_lib recommend --data amazon-fkb --system my_system --scene beauty --user 7
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from recsys_lib.data import InteractionLog, load, load_tidy, temporal_split
from recsys_lib.data.log import NAME, TITLE, USER, USER_ID
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.evaluation import judge, scoreboard
from recsys_lib.language import read_items
from recsys_lib.models.itemknn import ItemKNN
from recsys_lib.models.mix import Mix
from recsys_lib.models.popularity import Popularity, PopularityPrior
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.recommend import recommend

DATA = "a data set of the book (sceneworld, amazon-fkb, movielens-1m, …) or a folder with your own two tables, interactions and items"


def parser() -> argparse.ArgumentParser:
    """The commands and what each option means."""
    top = argparse.ArgumentParser(prog="python -m recsys_lib", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True, metavar="fit | evaluate | recommend")
    fit = commands.add_parser("fit", help="read the items' texts, train scene fusion on all events, save it into one folder")
    fit.add_argument("--system", required=True, type=Path, help="the folder to write; nothing in it is pickled")
    evaluate = commands.add_parser("evaluate", help="freeze at T, fit the system and three baselines on what came before, and judge them on what came after")
    use = commands.add_parser("recommend", help="the best items of one scene for one person, with what they did before")
    use.add_argument("--system", required=True, type=Path, help="a folder that `fit` wrote")
    use.add_argument("--user", required=True, help="a user_id of your tables, or a user's number")
    use.add_argument("--scene", required=True, help="where the person is now, e.g. music")
    use.add_argument("-k", type=int, default=10, help="how many items (default %(default)s)")
    for command in (fit, evaluate):
        command.add_argument("--epochs", type=int, default=4, help="passes over the training events (default %(default)s)")
        command.add_argument("--seed", type=int, default=0, help="everything random follows from it (default %(default)s)")
    for command in (fit, evaluate, use):
        command.add_argument("--data", required=True, help=DATA)
        command.add_argument("--theme-share", type=float, help="for sceneworld: the share of taste that texts can tell, .2 or .8")
        command.add_argument("--weight", type=float, default=0.5, help="of item-kNN beside scene fusion; 0 leaves it out (default %(default)s)")
    return top


def open_data(name: str, theme_share: float | None) -> InteractionLog:
    """A log by the name of a data set or by a folder of tidy tables."""
    if Path(name).is_dir():
        return load_tidy(name)
    return load(name, **({} if theme_share is None else {"theme_share": theme_share}))


def system(log: InteractionLog, epochs: int, seed: int) -> SceneFusion:
    """Scene fusion over whitened text vectors; not fitted yet."""
    return SceneFusion(read_items(log, strength=1.0), epochs=epochs, seed=seed)


def user_code(log: InteractionLog, user: str) -> int:
    """The code of a person given by key or, where keys were dropped, by number."""
    if USER_ID in log.users and (log.users[USER_ID].astype(str) == user).any():
        return int(np.argmax(log.users[USER_ID].astype(str) == user))
    if user.isdigit() and int(user) < log.n_users:
        return int(user)
    raise BadData(f"there is no person {user!r} in {log.name}; give a user_id of the tables or a number below {log.n_users}.")


def main(words: list[str] | None = None) -> None:
    """Run one command."""
    args = parser().parse_args(words)
    log = open_data(args.data, args.theme_share)
    print(log)
    if args.command == "fit":
        model = system(log, args.epochs, args.seed).fit(log, show_progress=True)
        print(f"saved in {model.save(args.system)}; next: python -m recsys_lib recommend --data {args.data} --system {args.system} --scene {log.scenes[NAME][0]} --user 0")
    elif args.command == "evaluate":
        split = temporal_split(log)
        fusion = system(log, args.epochs, args.seed).fit(split.train, split.until, show_progress=True)
        prior, knn = PopularityPrior().fit(split.train, split.until), ItemKNN(shrink=50).fit(split.train, split.until)
        models = {"popularity, 30 days": Popularity(30).fit(split.train, split.until), "prior + item-kNN": Mix(prior, knn, args.weight, 500), "scene fusion": fusion,
                  "scene fusion + item-kNN": Mix(fusion, knn, args.weight, 500)}  # fmt: skip
        judged = [judge(model, split, name, progress=True) for name, model in models.items()]
        for metric, what in (("ndcg10", "NDCG@10"), ("recall100", "Recall@100")):
            print(f"\n{what}, {split.protocol}, by person × item, with 95 % intervals\n{scoreboard(judged, metric).round(4).to_string()}")
    else:
        fusion = SceneFusion.load(args.system, log)
        model = Mix(fusion, ItemKNN(shrink=50).fit(log, fusion.until), args.weight, 500) if args.weight else fusion
        person, titles = user_code(log, args.user), log.items[TITLE]
        for row in log.events[log.events[USER] == person].tail(5).itertuples():
            print(f"  before: {log.scenes[NAME][row.scene]:12s} {titles[row.item]}")
        for place, item in enumerate(recommend(model, [person], args.scene, args.k, log)[0], 1):
            print(f"{place:4d}. {titles[item]}" if item >= 0 else f"{place:4d}. (the catalogue ends here)")


if __name__ == "__main__":
    try:
        main()
    except RecsysError as problem:
        sys.exit(f"error: {problem}")
