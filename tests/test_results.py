"""Recorded runs: written whole or not at all, read back, and named when they are not there."""

import json
import subprocess

import numpy as np
import pytest

from recsys_lib import results
from recsys_lib.errors import BadData


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "folder", lambda: tmp_path)
    return tmp_path


def test_a_run_comes_back_with_its_circumstances(folder):
    path = results.record("00-trial", command="python trial.py", metrics={"a": {"ndcg10": 0.5}}, seeds=[0, 1])
    run = results.load_result("00-trial")
    assert path == folder / "00-trial.json" and path.stat().st_mode & 0o044 == 0o044
    assert run["metrics"] == {"a": {"ndcg10": 0.5}} and run["seeds"] == [0, 1] and run["device"]["cores"] > 0
    assert results.table("00-trial").loc["a", "ndcg10"] == 0.5
    assert "python trial.py" in results.caption("00-trial")


def test_a_run_is_recorded_without_git_and_its_counts_stay_whole(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder / "nothing here"))
    results.record("00-trial", command="c", metrics={"n": np.int64(14_486), "better": np.bool_(True), "ndcg10": np.float32(0.5)})
    run = results.load_result("00-trial")
    assert run["commit"] is None and repr(run["metrics"]) == "{'n': 14486, 'better': True, 'ndcg10': 0.5}"


def test_a_commit_says_when_the_code_is_another(monkeypatch):
    said = {"rev-parse": "abc1234\n", "status": ""}
    monkeypatch.setattr(results.subprocess, "run", lambda command, **how: subprocess.CompletedProcess(command, 0, said[command[1]]))
    assert results.commit() == "abc1234"
    said["status"] = " M recsys_lib/metrics.py\n"
    assert results.commit() == "abc1234-dirty"
    said |= {"rev-parse": "", "status": ""}
    assert results.commit() is None


def test_what_is_no_number_is_null_as_in_every_committed_run(folder):
    path = results.record("00-trial", command="c", metrics={"relative": float("nan"), "rows": [np.float32("inf"), 1.0]})
    assert results.load_result("00-trial")["metrics"] == {"relative": None, "rows": [None, 1.0]}
    for run in (path, *results._CHECKOUT.glob("*.json")):
        json.loads(run.read_text(encoding="utf-8"), parse_constant=lambda word, run=run: pytest.fail(f"{run.name} holds {word}, which JSON does not have"))


def test_no_committed_run_is_of_changed_code():
    for path in results.folder().glob("*.json"):
        assert '-dirty"' not in path.read_text(encoding="utf-8"), f"{path.name} was recorded before its code was committed"


def test_what_cannot_be_written_leaves_the_old_run_and_no_part_of_the_new(folder):
    results.record("00-trial", command="c", metrics={"a": 1})
    with pytest.raises((TypeError, ValueError)):
        results.record("00-trial", command="c", metrics={"a": "no number", "b": object()})
    assert [path.name for path in folder.iterdir()] == ["00-trial.json"]
    assert results.load_result("00-trial")["metrics"] == {"a": 1}


def test_a_run_that_stopped_goes_on_from_what_it_wrote_down(folder):
    assert results.so_far("00-trial") == {}
    results.record("00-trial", command="c", metrics={"a": 1})
    assert results.so_far("00-trial") == {"a": 1}


def test_an_unknown_run_names_those_there_are(folder):
    results.record("00-trial", command="c", metrics={})
    with pytest.raises(BadData, match="00-trial"):
        results.load_result("99-none")


def test_the_board_of_a_run_has_the_best_system_on_top_and_leaves_out_what_it_does_not_know(folder):
    row = {"n": 9, "ndcg10": 0.1, "ndcg10_low": 0.05, "ndcg10_high": 0.2}
    results.record("00-trial", command="c", metrics={"a": {"slices": {"known × known": row}}, "b": {"slices": {"known × known": row | {"ndcg10": 0.15}}}})
    table = results.board("00-trial")
    assert list(table.index) == ["b", "a"]
    assert table.loc["a", "known × known"].tolist() == [0.1, 0.05, 0.2, 9]
    assert table["withheld × all"].isna().all(axis=None)


def test_a_narrow_board_says_its_n_in_the_names_of_its_columns(folder):
    row = {"n": 14486, "ndcg10": 0.12341}
    results.record("00-trial", command="c", metrics={"a": {"slices": {"known × known": row, "known × new": row}}, "b": {"slices": {"known × known": row, "known × new": row | {"n": 7}}}})
    narrow = results.means(results.board("00-trial"))
    assert list(narrow.columns) == ["known × known (n = 14,486)", "known × new (n = 7 to 14,486)", "withheld × all (n = none)"]
    assert narrow.loc["b", "known × known (n = 14,486)"] == 0.1234


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.001, 0.003, "ahead"), (-0.003, -0.001, "behind"), (-0.001, 0.003, "not told apart"), (0.0, 0.003, "not told apart"), (-0.003, 0.0, "not told apart")],
)
def test_a_difference_is_told_with_what_its_interval_allows(low, high, word):
    c = {"difference": (low + high) / 2, "low": low, "high": high, "n": 14486}
    assert results.told(c, 3, bold=False) == f"{c['difference']:+.3f} ({low:+.3f} to {high:+.3f}, n = 14,486): {word}"
    assert results.told(c).startswith(f"**{c['difference']:+.4f}** (")
    assert results.brief(c, 3) == f"{c['difference']:+.3f} ({low:+.3f} to {high:+.3f}) {word}".removesuffix(" not told apart")
