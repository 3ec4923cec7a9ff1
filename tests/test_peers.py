"""A split that went out as arrays and came back as scores is judged as if the model had never left."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import environment, plans
from benchmarks.peers.__main__ import at_hand, kept, stand_beside
from benchmarks.peers.exchange import Scores, export, of_lists
from benchmarks.peers.leave_one_out import Run, in_order_of_the_file, learn, read, shared_second
from recsys_lib.data import InteractionLog, leave_one_out, load, temporal_split
from recsys_lib.errors import BadData
from recsys_lib.evaluation import judge
from recsys_lib.models.itemknn import ItemKNN


@pytest.fixture(scope="module")
def split():
    return temporal_split(load("sceneworld", preset="tiny"))


@pytest.fixture(scope="module")
def asked(split, tmp_path_factory):
    """Our own item-kNN through the door that the peers use."""
    folder = tmp_path_factory.mktemp("peers")
    export(split, folder / "split.npz")
    return environment.fit_and_ask("ours", folder / "split.npz", "item-kNN", {"shrink": 10}, 0, folder / "out"), folder


def test_scores_that_went_through_files_are_judged_like_the_model_itself(split, asked):
    facts, folder = asked
    here, there = judge(ItemKNN(shrink=10).fit(split.train), split), judge(Scores(folder / "out", split), split)
    assert here.pairs.equals(there.pairs) and (here.lists == there.lists).all()
    assert facts["seconds_fit"] > 0 and 0 < facts["before_gb"] <= facts["peak_gb"] < 8


def test_the_export_holds_the_training_events_and_no_answer(split, asked):
    with np.load(asked[1] / "split.npz") as held:
        assert len(held["user"]) == len(split.train.events) and (held["time"] < split.until).all() and (np.diff(held["time"]) >= 0).all()
        assert set(held) == {"user", "item", "scene", "time", "ask_user", "ask_scene", "item_scene", "n_users", "time_kind"}


def test_scores_answer_only_what_was_asked(split, asked):
    scores = Scores(asked[1] / "out", split)
    stranger = np.setdiff1d(np.arange(split.log.n_users), scores.asked[0])[:1]
    with pytest.raises(BadData, match="answer the questions of one split"):
        scores.score(stranger if len(stranger) else np.array([split.log.n_users]), 0)
    with pytest.raises(BadData, match="history"):
        scores.score(scores.asked[0][:1], 0, history=split.train)


def test_a_difference_is_made_of_the_values_that_were_recorded(split, tmp_path):
    models = {"ours: item-kNN": ItemKNN(shrink=10), "peer: item-kNN": ItemKNN(shrink=0, neighbours=5)}
    judged = {name: judge(model.fit(split.train), split, name) for name, model in models.items()}
    figures = {name: {"ours": "item-kNN", "slices": {f"{p} × {i}": row.dropna().to_dict() for (p, i), row in one.summary().iterrows()}} for name, one in judged.items()}
    for name, one in judged.items():
        kept(one, tmp_path / f"{name}.parquet")
    kept(judged["peer: item-kNN"], tmp_path / "ours: item-kNN.parquet")  # another setting's, from an earlier run
    assert at_hand("ours: item-kNN", figures["ours: item-kNN"], split, tmp_path) is None and at_hand("nobody", figures["ours: item-kNN"], split, tmp_path) is None
    stand_beside(figures, split, tmp_path)
    assert "minus_ours" not in figures["peer: item-kNN"]
    kept(judged["ours: item-kNN"], tmp_path / "ours: item-kNN.parquet")
    stand_beside(figures, split, tmp_path)
    gap = figures["peer: item-kNN"]["minus_ours"]["known × all"]["ndcg10"]["difference"]
    assert gap == pytest.approx(judged["peer: item-kNN"].value(item="all") - judged["ours: item-kNN"].value(item="all")) != 0


def test_every_peer_has_pins_and_a_script_and_keeps_the_budget():
    for peer, models in plans.PLANS.items():
        assert (environment.HERE / f"run_{peer}.py").is_file() and (peer == "ours" or (environment.HERE / f"{peer}.txt").is_file())
        for model, plan in models.items():
            tried = sum(len(one["epochs"]) if isinstance(one.get("epochs"), list) else 1 for one in plan.settings)
            assert 1 <= tried <= (6 if plan.seeded else 12), (peer, model)
            assert plan.ours is None or plan.ours in plans.PLANS["ours"]


def test_every_pin_is_exact():
    for path in environment.HERE.glob("*.txt"):
        lines = [line for line in path.read_text(encoding="utf8").splitlines() if line and not line.startswith("#")]
        assert lines and all("==" in line for line in lines), path.name


def test_a_peers_script_reads_the_split_with_numpy_and_scipy_alone(asked, tmp_path):
    code = "import sys, peer; from pathlib import Path; t = peer.Task.read(Path(sys.argv[1])); print(t.matrix().nnz, 'recsys_lib' in sys.modules, 'torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code, asked[1] / "split.npz"], cwd=environment.HERE, capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) > 0 and said[1:] == ["False", "False"] and json.loads((asked[1] / "out" / "facts.json").read_text())["version"]


def one_scene(n=30, items=40):
    """People who walk along the catalogue three ratings a second, each from a place of their own; within a second the file goes backwards."""
    rows = [(u, (u + k) % items, 5 + k // 3, 2 - k % 3) for u in range(n) for k in range(12)]
    events = pd.DataFrame(rows, columns=["user", "item", "time", "place"]).assign(scene=0)
    frame = pd.DataFrame({"scene": np.zeros(items, np.int16), "title": [f"film {i}" for i in range(items)]})
    return InteractionLog(pd.DataFrame(index=range(n)), frame, pd.DataFrame({"name": ["films"], "description": ""}), events.sort_values(["time", "user", "item"], ignore_index=True), "second")


def test_equal_seconds_take_the_order_of_the_file():
    log = one_scene()
    ordered = in_order_of_the_file(log).events
    mine = ordered[ordered.user == 0].sort_values("time")
    assert mine.item.tolist() == [2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9] and ordered.time.is_unique
    assert shared_second(log) == 1.0 and shared_second(in_order_of_the_file(log)) == 0.0


def test_ten_places_are_judged_like_the_scores_they_came_from():
    split = leave_one_out(in_order_of_the_file(one_scene()))
    model = ItemKNN().fit(split.train)
    whole = judge(model, split)
    ten = judge(of_lists(whole.lists, split), split)
    assert (ten.lists == whole.lists).all()
    for metric in ("ndcg10", "recall10"):
        assert ten.value(metric, item="all") == whole.value(metric, item="all") > 0


def test_a_watched_run_learns_what_comes_next_and_is_not_run_again(tmp_path):
    split = leave_one_out(in_order_of_the_file(one_scene()))
    trial = split.validation()
    export(split, tmp_path / "test.npz")
    export(trial, tmp_path / "validation.npz")
    run = Run({"dim": 16, "max_len": 20, "batch": 8, "dropout": 0.0, "lr": 0.01}, 0.05)
    learn("ours", run, tmp_path, tmp_path / "out")
    judged, facts = read(tmp_path / "out", split, trial, "ours")
    first, best = facts["curve"][0]["ndcg10"], facts["validation_ndcg10"]
    assert best > max(first, 0.5) and judged.value("recall10", item="all") > 0.5 and facts["curve"][-1]["seconds"] > 3
    stamp = (tmp_path / "out" / "facts.json").stat().st_mtime_ns
    learn("ours", run, tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "facts.json").stat().st_mtime_ns == stamp
