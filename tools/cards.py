"""Makes ``cards.md``, the page of data and model cards: licence, address and sha256 of every fetched file from the registry, then each card.

    python -m tools.cards [--check]

``make notebooks`` writes it with the other derived files; with ``--check`` nothing is written, and the exit status is 1 when it is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from recsys_lib.data.sources import GITHUB
from tools import common

HEAD = """\
# Data and model cards

<!-- Made by tools/cards.py from recsys_lib/data/sources.yaml and data/cards; edit those. -->

Everything the book fetches, from where, under which terms, and how you can tell that you have the same bytes: a file whose sha256 differs is
refused. Nothing of it is part of the repository. Cite the people who collected the data, not only us.
"""
TITLES = {"mathjax": "MathJax"}


def collection(name: str, entry: dict) -> list[str]:
    """One collection of the registry: what, terms, citation, and a table of its files."""
    home = f"the wheel `{entry['wheel']}`" if entry.get("wheel") else "public repositories at fixed commits"
    lines = ["", f"### {TITLES.get(name, name)}", "", f"{entry['what']} Fetched from {home}.", "", f"**Terms.** {entry['terms']}"]
    if entry.get("cite"):
        lines += ["", "**Cite.** " + " ".join(entry["cite"])]
    lines += ["", "| file | bytes | sha256 |", "|---|---:|---|"]
    for file, facts in entry["files"].items():
        shown = f"[{file}]({GITHUB}{facts['at']})" if facts.get("at") and not entry.get("wheel") else file
        lines.append(f"| {shown} | {facts['bytes']:,} | `{facts['sha256']}` |")
    return lines


def page(root: Path = common.ROOT) -> str:
    """The whole page as MyST Markdown."""
    registry = yaml.safe_load((root / "recsys_lib" / "data" / "sources.yaml").read_text(encoding="utf8"))
    files = [facts for entry in registry.values() for facts in entry["files"].values()]
    megabytes = sum(facts["bytes"] for facts in files) / 1e6
    lines = [HEAD, f"## Licences and checksums\n\n{len(files)} files in {len(registry)} collections, {megabytes:,.0f} MB together."]
    for name, entry in registry.items():
        lines += collection(name, entry)
    for card in sorted((root / "data" / "cards").glob("*.md"), key=lambda card: (card.stem == "models", card.stem)):
        lines += ["", f"```{{include}} data/cards/{card.name}", ":heading-offset: 1", "```"]
    return "\n".join(lines) + "\n"


def main(root: Path = common.ROOT, check: bool = False) -> int:
    """Write (or check) the page; the exit status."""
    return common.keep_page(root / "cards.md", page(root), "the registry and the cards", check)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
