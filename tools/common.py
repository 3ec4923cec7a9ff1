"""What the commands share: where things are, the repository's address, the chapters, one thread a worker, a table of times."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
INSTALL = """\
if importlib.util.find_spec("recsys_lib") is None:
    alone = "--no-deps" if importlib.util.find_spec("torch") else ""
    %pip install -q {{alone}} "recsys-lib @ git+{url}@{branch}"
"""
"""The lines of a set-up cell that install the library, to be formatted. Where PyTorch is, as on Colab, no other package is touched."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CELL_TAGS = {
    "hide-input", "hide-output", "hide-cell", "remove-input", "stub", "check", "solution", "raises-exception",
}  # fmt: skip
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "JUPYTER_PLATFORM_DIRS": "1",
}


def keep_page(target: Path, made: str, origin: str, check: bool) -> int:
    """Write (or check) a page that is made from other files, named by ``origin`` in the complaint; the exit status."""
    same = target.is_file() and target.read_text(encoding="utf8") == made
    if check and not same:
        print(f"{target.name} is not what {origin} make; run `make notebooks` and commit it.", file=sys.stderr)
        return 1
    if not same:
        target.write_text(made, encoding="utf8")
        print(f"wrote {target.name}")
    return 0


def one_thread() -> dict[str, str]:
    """This process's environment with every numeric library held to one thread and a fixed hash seed."""
    return {**os.environ, **ONE_THREAD}


def config(root: Path = ROOT) -> dict:
    """The book's ``_config.yml``."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf8"))


def repository(root: Path = ROOT) -> tuple[str, str]:
    """(address, branch) of the repository: the one setting that badge, set-up cell and links are made from."""
    setting = config(root)["repository"]
    return setting["url"].rstrip("/"), setting["branch"]


def home(root: Path = ROOT) -> str:
    """Where GitHub Pages shows the book of this repository."""
    owner, _, name = repository(root)[0].removeprefix("https://github.com/").partition("/")
    return f"https://{owner}.github.io/{name}"


def chapters(root: Path = ROOT) -> list[Path]:
    """The sources of all chapters, in order."""
    return sorted(path for path in (root / "chapters").glob("*.md") if re.match(r"\d\d_", path.name))


def has_solutions(root: Path = ROOT) -> bool:
    """Whether this is the whole repository, and not a class's copy without solutions (``tools.student_copy``)."""
    return (root / "tests" / "exercises").is_dir()


def pages(root: Path = ROOT) -> list[Path]:
    """The sources of the pages with code cells that are no chapters, and that ``_toc.yml`` names, in order."""
    named = re.findall(r"^\s*- file: (\w+)\s*$", (root / "_toc.yml").read_text(encoding="utf8"), re.M)
    found = [root / f"{name}.md" for name in named]
    return [path for path in found if path.is_file() and path.read_text(encoding="utf8").startswith("---\njupytext:")]


def plain_pages(root: Path = ROOT) -> list[str]:
    """What ``_toc.yml`` names beside the chapters, the first page among them, without endings."""
    named = re.findall(r"^\s*(?:- file|root): (\w+)\s*$", (root / "_toc.yml").read_text(encoding="utf8"), re.M)
    return list(dict.fromkeys(named))


def colab(stem: str, root: Path = ROOT) -> str:
    """Address that opens the notebook of one chapter on Colab."""
    url, branch = repository(root)
    return f"{url.replace('https://github.com', 'https://colab.research.google.com/github')}/blob/{branch}/chapters/{stem}.ipynb"


def raw(root: Path = ROOT) -> str:
    """Address below which the repository's files lie as they are."""
    url, branch = repository(root)
    return f"{url.replace('https://github.com', 'https://raw.githubusercontent.com')}/{branch}"


def places(stem: str, root: Path = ROOT) -> dict[str, str]:
    """Where the notebook of one chapter opens, and for a Jupyter of one's own the file itself: name → address."""
    url, branch = repository(root)
    return {
        "Colab": colab(stem, root),
        "Kaggle": f"https://kaggle.com/kernels/welcome?src={url}/blob/{branch}/chapters/{stem}.ipynb",
        "Jupyter": f"{raw(root)}/chapters/{stem}.ipynb",
    }


def chromium() -> str | None:
    """The browser that tests and prints the book: ``CHROMIUM`` names one that is not on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


def launch(engine: Any) -> Any:
    """Start it. ``engine``: what ``playwright.sync_api.sync_playwright`` gives."""
    return engine.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])


def table_of_times(times: list[tuple[str, float, str]]) -> str:
    """A table of (part, seconds, outcome), one a line, with the sum under it."""
    width = max(len(part) for part, _, _ in times) if times else 5
    lines = [f"  {part:<{width}}  {seconds:7.1f} s  {outcome}" for part, seconds, outcome in times]
    return "\n".join([*lines, f"  {'all':<{width}}  {sum(seconds for _, seconds, _ in times):7.1f} s"])
