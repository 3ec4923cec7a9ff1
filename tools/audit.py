"""``make audit``: asks pip-audit whether a pinned package has a known vulnerability. Each exception stands in ``audit.toml`` with its reason.

    python -m tools.audit

Runs pip-audit in an environment of its own (``_build/audit``), over ``constraints.txt``, with the Python Packaging Advisory Database first and OSV
where that cannot be asked. Exit status: 0 nothing unexplained, 1 something is, 2 neither service answered, so nothing is known.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from tools import common

PINNED = "pip-audit==2.10.1"


def exceptions(path: Path = common.ROOT / "audit.toml") -> dict[str, str]:
    """Advisory → reason. Raises SystemExit when one has no reason, or its time is over."""
    found = {}
    for entry in tomllib.loads(path.read_text(encoding="utf8")).get("exception", []):
        if len(entry.get("reason", "").split()) < 5 or not isinstance(entry.get("until"), datetime.date):
            raise SystemExit(
                f"{path.name}: {entry.get('id')!r} needs a reason of a sentence, and a date `until` when it is looked at again."
            )
        if entry["until"] < datetime.date.today():
            raise SystemExit(f"{path.name}: the exception {entry['id']} ended on {entry['until']}; look at it again.")
        found[entry["id"]] = entry["reason"]
    return found


def ask(python: Path, requirements: Path, service: str) -> list[dict] | None:
    """pip-audit's answer, a package each; None when the service did not answer for every package."""
    command = [
        python,
        "-m",
        "pip_audit",
        "-r",
        requirements,
        "--no-deps",
        "--disable-pip",
        "-s",
        service,
        "-f",
        "json",
        "--progress-spinner",
        "off",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        answer = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        print(f"{service} did not answer: {(done.stderr.strip().splitlines() or ['no message'])[-1][:200]}")
        return None
    unknown = [package["name"] for package in answer if "skip_reason" in package]
    if unknown:
        print(f"{service} knows nothing about {len(unknown)} of {len(answer)} packages: {', '.join(unknown[:5])} …")
        return None
    return answer


def verdict(answer: list[dict], explained: dict[str, str]) -> list[str]:
    """A line for each vulnerability that no exception explains."""
    lines = []
    for package in answer:
        for found in package.get("vulns", []):
            if not {found["id"], *found.get("aliases", [])} & set(explained):
                lines.append(
                    f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version yet'}"
                )
    return lines


def main() -> int:
    """Audit; the exit status."""
    explained = exceptions()
    folder = common.ROOT / "_build" / "audit"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.EnvBuilder(with_pip=True).create(folder)
    if subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PINNED]).returncode:
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text((common.ROOT / "constraints.txt").read_text(encoding="utf8"), encoding="utf8")
        answer = next(filter(None, (ask(python, requirements, service) for service in ("pypi", "osv"))), None)
    if answer is None:
        print("Nothing is known: no service answered for every package. Try again where the internet is open.")
        return 2
    lines = verdict(answer, explained)
    print("\n".join([*lines, f"{len(answer)} packages, {len(lines)} vulnerabilities without an explanation, {len(explained)} exceptions."]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
