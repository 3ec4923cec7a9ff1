"""The folder for a class without internet: what goes in, what stays out, and the script that a student runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from recsys_lib.errors import BadData
from tools import common, make_cache, offline_folder, offline_start


def test_only_what_may_be_passed_on_goes_in():
    assert all(offline_folder.may_be_passed_on(name) for name in offline_folder.MODELS)
    assert not any(offline_folder.may_be_passed_on(name) for name in ("amazon-fkb", "lastfm", "movielens-1m", "microlens-50k"))
    wanted = offline_folder.packages(common.ROOT)
    assert any(name.startswith("torch") for name in wanted) and {"jupyterlab", "faiss-cpu"} <= set(wanted)


@pytest.fixture
def stubbed(monkeypatch):
    """No package is fetched and no text encoded; the collections that would be are returned."""
    asked = []
    monkeypatch.setattr(offline_folder, "wheels", lambda root, folder: folder.mkdir(parents=True))
    monkeypatch.setattr(offline_folder, "fill_cache", lambda folder, collections: asked.extend(collections))
    return asked


def test_the_folder_has_what_a_student_needs(tmp_path, stubbed, capsys):
    folder = tmp_path / "class"
    assert offline_folder.main([str(folder)]) == 0
    assert stubbed == list(offline_folder.MODELS)
    names = {path.stem for path in (folder / "notebooks").glob("*.ipynb")}
    assert names == {source.stem for source in common.chapters()}
    assert (folder / "start.py").read_text() == (common.ROOT / "tools" / "offline_start.py").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["install"][0] == "recsys-lib" and len(manifest["made_for"]) == 1
    assert offline_folder.describe(folder) == manifest  # a second run on the same machine adds nothing
    assert offline_start.fits(manifest) is None
    assert "start.py --check" in capsys.readouterr().out


def test_data_comes_with_its_terms(tmp_path, stubbed, capsys):
    offline_folder.main([str(tmp_path / "class"), "--data", "amazon-fkb"])
    assert stubbed[-1] == "amazon-fkb"
    said = capsys.readouterr().out
    assert "Research use" in said and "forbid handing it out" in said
    with pytest.raises(BadData, match="no source is called"):
        offline_folder.main([str(tmp_path / "other"), "--data", "amazon"])


def test_the_cache_is_filled_from_what_is_here(tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    (mine / "sources" / "toy").mkdir(parents=True)
    (mine / "sources" / "toy" / "file").write_text("x")
    monkeypatch.setenv("RECSYS_CACHE", str(mine))
    monkeypatch.setattr(offline_folder, "fetch", lambda name, verify: None)
    monkeypatch.setattr(make_cache, "ENCODED", [])
    monkeypatch.setattr(make_cache, "unpack", lambda: None)
    assert offline_folder.fill_cache(tmp_path / "cache", ["toy"]) == ["toy"]
    assert (tmp_path / "cache" / "sources" / "toy" / "file").read_text() == "x" and os.environ["RECSYS_CACHE"] == str(tmp_path / "cache")


def test_another_machine_is_told_so():
    problem = offline_start.fits({"made_for": [{"system": "Plan9", "machine": "vax", "python": "3.11"}]})
    assert "Plan9 vax, Python 3.11" in problem and problem.endswith(".")


def test_work_is_never_overwritten(tmp_path, monkeypatch):
    here, work = tmp_path / "stick", tmp_path / "home"
    for name in ("notebooks/a.ipynb", "notebooks/b.ipynb", "cache/models/w"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("new")
    (work / "notebooks").mkdir(parents=True)
    (work / "notebooks" / "a.ipynb").write_text("solved")
    (work / ".venv").mkdir()
    (work / ".venv" / "installed").touch()
    monkeypatch.setattr(offline_start, "HERE", here)
    python = offline_start.prepare(work)
    assert (work / "notebooks" / "a.ipynb").read_text() == "solved" and (work / "notebooks" / "b.ipynb").read_text() == "new"
    assert (work / "cache" / "models" / "w").is_file() and python.is_relative_to(work / ".venv")


@pytest.fixture
def stick(tmp_path, monkeypatch):
    """A folder for this machine with one file of a model; the environment of ``tmp_path / "work"`` is made already, and is this one."""
    (tmp_path / "stick" / "cache").mkdir(parents=True)
    (tmp_path / "stick" / "cache" / "model").write_text("all of it")
    monkeypatch.setattr(offline_start, "HERE", tmp_path / "stick")
    offline_folder.describe(tmp_path / "stick")
    (tmp_path / "work" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "work" / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "work" / ".venv" / "installed").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="an environment looks otherwise on Windows")
def test_a_place_to_work_may_be_named_from_here(stick, tmp_path, monkeypatch):
    monkeypatch.setattr(offline_start, "TRY", "import os, pathlib; assert (pathlib.Path(os.environ['RECSYS_CACHE']) / 'model').is_file()")
    monkeypatch.setattr(sys, "argv", ["start.py", "--to", "work", "--check"])
    assert offline_start.main() == 0


def test_a_copy_that_was_stopped_is_made_whole_the_next_time(stick, monkeypatch):
    def stopped(source, target):
        target.write_text(source.read_text()[:3])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(offline_start.shutil, "copy2", stopped)
        offline_start.prepare(Path("work"))
    offline_start.prepare(Path("work"))
    assert Path("work/cache/model").read_text() == "all of it" and len(list(Path("work/cache").iterdir())) == 1


def test_start_needs_nothing_but_python():
    source = (common.ROOT / "tools" / "offline_start.py").read_text(encoding="utf8").partition('TRY = """')
    assert "recsys_lib" not in source[0] and "from tools" not in source[0]
    assert isinstance(Path(offline_start.HERE), Path)
