"""Makes ``.venv`` with the pinned packages, or does nothing when it is there and up to date. Needs only Python itself.

With ``RECSYS_HASHES=1``, as CI sets it, every package but torch must also have a sha256 that ``constraints-hashed.txt`` knows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_WHEELS = ("download.pytorch.org", "https://download.pytorch.org/whl/cpu")


def cpu_index() -> list[str]:
    """Options for pip that find torch without CUDA, some gigabytes smaller: only where there is no GPU and the index answers."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return []
    try:
        socket.create_connection((CPU_WHEELS[0], 443), timeout=2).close()
    except OSError:
        return []
    return ["--extra-index-url", CPU_WHEELS[1]]


def main(folder: Path = ROOT / ".venv") -> int:
    """Make the environment; the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this file is also run by the Python that is found first)
        print(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try `make test PYTHON=python3.12`.", file=sys.stderr)
        return 1
    wanted = hashlib.sha256((ROOT / "constraints.txt").read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.is_file() and stamp.read_text() == wanted and python.exists() and subprocess.run([python, "-c", ""]).returncode == 0:
        return 0
    began = time.perf_counter()
    print("Installing the environment into .venv, once. This takes some minutes.", flush=True)
    stamp.unlink(missing_ok=True)
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode if python.exists() else True:
        try:
            venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        except subprocess.CalledProcessError:  # ensurepip, which Debian and Ubuntu pack apart
            print("This Python has no pip to put into .venv; on Ubuntu and Debian `sudo apt install python3-venv` brings it. Then run the command again.", file=sys.stderr)
            return 1
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    steps = [[*install, "-c", "constraints.txt", *cpu_index(), "-e", ".[book,test]"]]
    if os.environ.get("RECSYS_HASHES"):
        steps.insert(0, [*install, "--require-hashes", "--no-deps", "-r", "constraints-hashed.txt"])
    if any(subprocess.run(step, cwd=ROOT).returncode for step in steps):
        print("The packages could not be installed; pip says why above. Check the connection and run the command again.", file=sys.stderr)
        return 1
    stamp.write_text(wanted)
    print(f"Installed in {time.perf_counter() - began:.0f} s.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
