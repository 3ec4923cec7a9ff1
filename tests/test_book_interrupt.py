"""Ctrl-C during ``make book``: it stops at once, leaves no process behind, and goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.test_book_build import small_book
from tools import common, kernels

HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n# Trial %s\n\n```{code-cell} ipython3\n%s\n```\n"
TOC = "format: jb-book\nroot: intro\nchapters:\n  - file: chapters/95_slow\n  - file: chapters/96_quick\n  - file: notation\n  - file: glossary\n  - file: references\n"


def alive(pid: int) -> bool:
    """Whether a process still runs (a dead child that nobody asked for does not count)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"
    return not os.path.exists(stat) or open(stat).read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path):
    small_book(tmp_path, TOC)
    slow = f"import os, time\nwait = {str(tmp_path / 'wait')!r}\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\nwhile os.path.exists(wait):\n    time.sleep(.05)"
    (tmp_path / "chapters" / "95_slow.md").write_text(HEAD % ("one", slow))
    (tmp_path / "chapters" / "96_quick.md").write_text(HEAD % ("two", "print('done')"))
    (tmp_path / "wait").touch()
    command = [sys.executable, "-m", "tools.build_book", "--root", str(tmp_path), "--no-cache"]
    options = {"cwd": common.ROOT, "env": {**os.environ, "PYTHONPATH": str(common.ROOT)}, "text": True}
    with (tmp_path / "said").open("w") as said:
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell starts its background jobs deaf to Ctrl-C, and children inherit that
        build = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=heard, **options)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not ((tmp_path / "pid").exists() and "96_quick: ran" in (tmp_path / "said").read_text()):
        time.sleep(0.1)
    kernel = int((tmp_path / "pid").read_text())
    began = time.monotonic()
    os.killpg(build.pid, signal.SIGINT)  # as the keyboard does: to all of the foreground
    status = build.wait(timeout=60)
    assert status == 130 and time.monotonic() - began < 30  # a second where nothing else runs
    text = (tmp_path / "said").read_text()
    assert "Stopped. What has run is kept" in text and "Traceback" not in text, text
    while alive(kernel) and time.monotonic() - began < 20:
        time.sleep(0.1)
    assert not alive(kernel)
    assert not list(Path(kernels.PLACE).glob(f"kernel-{build.pid}-*"))

    (tmp_path / "wait").unlink()
    again = subprocess.run(command, capture_output=True, timeout=240, **options)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "96_quick: from the cache" in again.stdout and "95_slow: ran" in again.stdout
    assert (tmp_path / "_build" / "html" / "chapters" / "95_slow.html").is_file()
