"""What comes from elsewhere: every pin has hashes, every file of the registry stands on the cards' page, and no exception goes unexplained."""

from __future__ import annotations

import hashlib
import re

import pytest

from tools import audit, cards, check_links, common, make_env, make_hashes, try_colab


def test_a_python_without_pip_is_told_in_a_sentence(tmp_path, monkeypatch, capsys):
    def debian(builder, context):
        raise make_env.subprocess.CalledProcessError(1, [context.env_exe, "-m", "ensurepip"])

    monkeypatch.setattr(make_env.venv.EnvBuilder, "_setup_pip", debian)
    assert make_env.main(tmp_path / "env") == 1 and "python3-venv" in capsys.readouterr().err


def test_every_pin_has_hashes():
    pinned = make_hashes.pins((common.ROOT / "constraints.txt").read_text(encoding="utf8"))
    text = (common.ROOT / "constraints-hashed.txt").read_text(encoding="utf8")
    left_out = {pin for pin in pinned if pin.partition("==")[0] in make_hashes.WITHOUT}
    assert make_hashes.pins(text) == pinned - left_out, "constraints.txt has changed; run `make hashes` and commit constraints-hashed.txt"
    for block in re.split(r"^(?=[\w.\-]+==)", text, flags=re.M)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_the_cards_are_up_to_date(tmp_path, capsys):
    assert cards.main(check=True) == 0
    for folder in ("recsys_lib/data", "data/cards"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "recsys_lib/data/sources.yaml").write_text(
        "a: {what: A thing., terms: MIT., wheel: a==1, files: {x.txt: {bytes: 5, sha256: abc}}}\n"
    )
    assert cards.main(tmp_path, check=True) == 1 and "make notebooks" in capsys.readouterr().err
    assert cards.main(tmp_path) == 0 and "| x.txt | 5 | `abc` |" in (tmp_path / "cards.md").read_text()


def test_an_exception_needs_a_reason_and_an_end(tmp_path):
    assert audit.exceptions() is not None
    path = tmp_path / "audit.toml"
    for body, phrase in (
        ('id = "A-1"', "needs a reason"),
        ('id = "A-1"\nreason = "Only the server part, which never starts."\nuntil = 2001-01-01', "ended on"),
    ):
        path.write_text(f"[[exception]]\n{body}\n")
        with pytest.raises(SystemExit, match=phrase):
            audit.exceptions(path)


def test_only_what_is_unexplained_is_told():
    found = [{"id": "A-1", "aliases": ["B-1"], "fix_versions": ["2"]}, {"id": "A-2", "aliases": [], "fix_versions": []}]
    answer = [{"name": "p", "version": "1", "vulns": found}, {"name": "q", "version": "1", "vulns": []}]
    assert audit.verdict(answer, {"B-1": "why"}) == ["p 1: A-2, mended in no version yet"]


def test_addresses_outside_the_book(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a class="x" href="https://a.org/b?c=1&amp;d#e">a</a> <a href="b.html">b</a> <a href="https://github.com/us/x">c</a>'
    )
    assert check_links.addresses(tmp_path, "us") == {"https://a.org/b?c=1&d": ["a.html"]}


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path, monkeypatch):
    """As after an upgrade of Python: the link in .venv leads nowhere."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "nowhere")
    pins = (common.ROOT / "constraints.txt").read_bytes() + (common.ROOT / "pyproject.toml").read_bytes()
    (tmp_path / "installed").write_text(hashlib.sha256(pins).hexdigest())
    made = []
    monkeypatch.setattr(make_env.venv.EnvBuilder, "create", lambda self, folder: made.append(folder))
    monkeypatch.setattr(make_env, "cpu_index", list)
    with pytest.raises(FileNotFoundError):  # pip's Python, which nobody made here
        make_env.main(tmp_path)
    assert made == [tmp_path]


def test_a_chapter_that_is_not_there_is_no_chapter_that_ran(capsys):
    assert try_colab.main(["--here", "--chapters", "0"]) == 1
    assert "There is no chapter '0'; they are 00, 01" in capsys.readouterr().err
    assert try_colab.main(["--here", "--chapters", "00", "--record"]) == 1  # it would stand for all of them
    assert "A record is of all chapters" in capsys.readouterr().err
