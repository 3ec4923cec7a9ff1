"""A split that went out as arrays and came back as scores is judged as if the model had never left."""

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.peers import environment, plans
from benchmarks.peers.exchange import Scores, export
from recsys_lib.data import load, temporal_split
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


def test_every_peer_has_pins_and_a_script_and_keeps_the_budget():
    for peer, models in plans.PLANS.items():
        assert (environment.HERE / f"run_{peer}.py").is_file() and (peer == "ours" or (environment.HERE / f"{peer}.txt").is_file())
        for model, plan in models.items():
            assert 1 <= len(plan.settings) <= (6 if plan.seeded else 12), (peer, model)
            assert plan.ours is None or plan.ours in plans.PLANS["ours"]


def test_every_pin_is_exact():
    for path in environment.HERE.glob("*.txt"):
        lines = [line for line in path.read_text(encoding="utf8").splitlines() if line and not line.startswith("#")]
        assert lines and all("==" in line for line in lines), path.name


def test_a_peers_script_reads_the_split_with_numpy_and_scipy_alone(asked, tmp_path):
    code = "import sys, peer; from pathlib import Path; t = peer.Task.read(Path(sys.argv[1])); print(t.matrix().nnz, 'recsys_lib' in sys.modules, 'torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code, asked[1] / "split.npz"], cwd=environment.HERE, capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) > 0 and said[1:] == ["False", "False"] and json.loads((asked[1] / "out" / "facts.json").read_text())["version"]
