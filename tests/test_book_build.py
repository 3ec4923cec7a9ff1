"""The book's build on a chapter of its own: what a reader gets, and that a failing cell, a missing alt text or a warning fails it."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import read_myst_markdown_notebook

from tools import build_book, common

FRAME = ("_config.yml", "references.bib", "references.md", "glossary.md", "notation.md", "intro.md", "constraints.txt")
TOC = "format: jb-book\nroot: intro\nparts:\n  - caption: Trial\n    chapters:\n      - file: chapters/97_trial\n"
TOC += "  - caption: Appendix\n    chapters:\n      - file: notation\n      - file: glossary\n      - file: references\n      - file: times\n"
CHAPTER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
---

# Trial

:::{front}
:letters: S
:question: Does it build?
:runs: at once

- build
:::

By {cite:t}`steck2019ease`, of a {term}`scene`, $x^2$.

```{code-cell} ipython3
---
mystnb:
  image:
    alt: %(alt)s
  figure:
    caption: It rises.
---
from recsys_lib import plotting
from tqdm.auto import tqdm
for _ in tqdm(range(2), desc="a bar", disable=False):
    print("a step")
plotting.lines([1, 2], {"a": [1, 2]});
```

::::{quiz} 97-q1 predict Twice
What is twice three?

:::{answer} $6$
:right:
It is.
:::

:::{answer} $33$
That is a three beside a three.
:::
::::

::::{exercise} 97-1 Double
:level: 1
:minutes: 1
:objective: double

:::{hint}
Add.
:::
::::

```{code-cell} ipython3
:tags: [solution]
hidden = 2 * 3
assert hidden == %(six)s
```
"""


def small_book(root, toc):
    """A book without chapters in ``root``: its frame copied, the rest linked."""
    for name in FRAME:
        shutil.copy(common.ROOT / name, root)
    for name in ("_ext", "_static", "recsys_lib", "tools"):
        (root / name).symlink_to(common.ROOT / name)
    (root / "chapters").mkdir()
    (root / "_toc.yml").write_text(toc)
    (root / "intro.md").write_text("# Trial book\n")
    (root / "times.md").write_text("# Times\n\n```{nb-exec-table}\n```\n")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A book of one chapter that shares the library, the tools and the extension of this one."""
    return small_book(tmp_path_factory.mktemp("book"), TOC)


def build(root, alt="A rising line.", six="6"):
    """Build with the given alt text and the given right answer; (exit status, everything printed)."""
    (root / "chapters" / "97_trial.md").write_text(CHAPTER % {"alt": alt, "six": six})
    (root / "chapters" / "97_trial.ipynb").write_text("{}")
    command = [sys.executable, "-m", "tools.build_book", "--root", str(root), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(common.ROOT)}
    done = subprocess.run(command, cwd=common.ROOT, capture_output=True, text=True, env=environment, timeout=240)
    return done.returncode, done.stdout + done.stderr


def test_a_good_book_builds(root):
    status, said = build(root)
    assert status == 0, said
    page = (root / "_build" / "html" / "chapters" / "97_trial.html").read_text(encoding="utf8")
    assert 'alt="A rising line."' in page
    assert re.search(r"Fig\. 97\.1 </span><span [^>]*>It rises\.", page)
    assert 'aria-label="R = f(P, I, S, L). Today: S."' in page and page.count('<g class="lit">') == 1 and "This page took" in page
    assert "a step" in page and not [word for word in ("a bar:", "IProgress", "vnd.jupyter.widget") if word in page]  # a bar would stand still
    assert "Show the solution" in page and 'id="exercise-97-1"' in page
    assert re.search(r'<details class="answer"[^>]*><summary><strong>B\. </strong>.*33.*</summary>\s*<p><strong>Not this one\.</strong> That is', page)
    assert 'href="https://github.com/across-scenes/across-scenes/issues/new' in page and "/edit/main/chapters/97_trial.md" in page
    assert "https://colab.research.google.com/github/across-scenes/across-scenes/blob/main/chapters/97_trial.ipynb" in page
    assert re.search(r"This page took \d+ s when it was built, on one thread, \d+ s of them on the processor\.", page)
    times = (root / "_build" / "html" / "times.html").read_text(encoding="utf8")
    wall, processor = map(float, re.search(r"<p>(\d+\.\d)</p></td>\s*<td><p>(\d+\.\d)</p></td>", times).groups())
    assert wall > 0 and processor > 0.5  # a kernel with torch or matplotlib takes that much to start
    status, said = build(root)
    assert status == 0 and "from the cache" in said, said


def test_a_run_from_before_processors_were_counted_stays_in_the_cache_and_in_the_table(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(common.ROOT / "_ext")
    across_scenes = importlib.import_module("across_scenes")
    source = tmp_path / "97_trial.md"
    source.write_text("---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n```{code-cell}\n1 / 0\n```\n")
    notebook = read_myst_markdown_notebook(source.read_text(), path=source)
    record = get_cache(str(tmp_path / "cache")).cache_notebook_bundle(CacheBundleIn(notebook, str(source), data={"execution_seconds": 2.5}), check_validity=False)
    assert build_book.execute(source, tmp_path / "cache", 60) == (2.5, "from the cache")
    facts = {"mtime": record.created.timestamp(), "runtime": 2.5}
    app = SimpleNamespace(config=SimpleNamespace(nb_execution_cache_path=str(tmp_path / "cache")))
    across_scenes.count_processor(app, SimpleNamespace(nb_metadata={"97_trial": {"exec_data": facts}, "intro": {}}))
    assert [across_scenes.in_seconds(facts[key]) for key in ("runtime", "processor")] == ["2.5", "not noted"]


@pytest.mark.needs("mathjax")
def test_formulas_need_no_network(root):
    status, said = build(root)
    html = root / "_build" / "html"
    page = (html / "chapters" / "97_trial.html").read_text(encoding="utf8")
    script = re.search(r'src="([^"]*tex-chtml[^"]*)"', page)[1]
    served = (html / "chapters" / script.partition("?")[0]).resolve()
    assert status == 0 and served.is_relative_to(html.resolve()) and served.is_file(), said
    assert (served.parent / "output" / "chtml" / "fonts" / "woff-v2" / "MathJax_Main-Regular.woff").is_file()


def test_without_a_network_mathjax_is_left_to_its_public_address(offline, tmp_path, capsys):
    shutil.copy(common.ROOT / "_config.yml", tmp_path)
    written = build_book.configure(tmp_path, tmp_path / "_build", tmp_path / "cache").read_text(encoding="utf8")
    assert "mathjax_path" not in written and "html_extra_path" not in written
    assert "MathJax could not be fetched" in capsys.readouterr().out


def test_a_failing_cell_fails_the_build(root):
    status, said = build(root, six="7")
    assert status != 0
    assert "97_trial: FAILED" in said and "assert hidden == 7" in said


def test_a_figure_without_alt_text_fails_the_build(root):
    status, said = build(root, alt='""')
    assert status != 0
    assert "has no alt text" in said


def test_the_cache_follows_library_results_and_downloads(tmp_path):
    for folder in ("recsys_lib", "data/results"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "constraints.txt").write_text("torch==1\n")
    keys = [build_book.cache_key(tmp_path, {}), build_book.cache_key(tmp_path, {"lastfm": True}), build_book.cache_key(tmp_path, {"lastfm": False})]
    for name in ("recsys_lib/a.py", "recsys_lib/a.yaml", "data/results/run.json", "constraints.txt"):
        (tmp_path / name).write_text("1")
        keys.append(build_book.cache_key(tmp_path, {}))
    assert len(set(keys)) == len(keys)
    assert keys[-1] == build_book.cache_key(tmp_path, {})
