"""Writes ``constraints-hashed.txt``: the pins of ``constraints.txt`` with the sha256 of every file the package index has for them.

    python -m tools.make_hashes        needs uv (pip install uv); run it after a change of constraints.txt

CI installs from it first (``RECSYS_HASHES=1 make env``), so a package that was exchanged on its way is refused. Torch is left out: CI takes its
build without CUDA from PyTorch's own index, whose files have other hashes, and that index and PyPI together offer two builds under one version.
It comes after the others, by version only, over TLS; so does the build backend of this repository's own package.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import common

WITHOUT = {"torch"}
HEAD = "# Made by tools/make_hashes.py from constraints.txt; never edit it. Torch is left out, and make_hashes.py says why.\n"


def pins(text: str) -> set[str]:
    """The ``name==version`` lines of a file of constraints, names as the index spells them, hashes left out."""
    found = re.findall(r"^([\w.\-]+)==([^\s\\;]+)", text, re.M)
    return {f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}" for name, version in found}


def main(root: Path = common.ROOT) -> int:
    """Write the file; the exit status."""
    uv = shutil.which("uv")
    if uv is None:
        print("uv was not found; `pip install uv`, then run this again.", file=sys.stderr)
        return 1
    lines = (root / "constraints.txt").read_text(encoding="utf8").splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in WITHOUT]
    with tempfile.TemporaryDirectory() as scratch:
        source, made = Path(scratch) / "in.txt", Path(scratch) / "out.txt"
        source.write_text("\n".join(kept) + "\n", encoding="utf8")
        options = ["--generate-hashes", "--universal", "--no-deps", "--no-annotate", "--no-header", "--python-version", "3.11.9", "-q"]
        status = subprocess.run([uv, "pip", "compile", source, *options, "-o", made]).returncode
        if not status:
            (root / "constraints-hashed.txt").write_text(HEAD + made.read_text(encoding="utf8"), encoding="utf8")
    return status


if __name__ == "__main__":
    sys.exit(main())
