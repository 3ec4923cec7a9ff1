"""What the scripts of all peers share: read a split, fit, score its questions, write it down. Runs in a peer's environment, so it needs numpy and scipy only.

A script ends with ``peer.run({"model": fit, …})``, where ``fit(task, seed, **setting)`` returns ``score(users, first, end)``: float [len(users), end - first].
One that is watched while it learns ends with ``peer.watch(learn, …)``, where ``learn(task, seed, epoch, **setting)`` puts each epoch of its training inside
``with epoch(ten)``; ``ten(task)`` gives ten items for each question, int64 [questions, 10], best first, without the person's own, -1 for no item.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

Score = Callable[[np.ndarray, int, int], np.ndarray]
Ten = Callable[["Task"], np.ndarray]


@dataclass(eq=False)
class Task:
    """A split as arrays: training events in order of time (``user``, ``item``, ``scene``, ``time``), the questions (``ask_user``, ``ask_scene``), ``item_scene`` of each item."""

    user: np.ndarray
    item: np.ndarray
    scene: np.ndarray
    time: np.ndarray
    ask_user: np.ndarray
    ask_scene: np.ndarray
    item_scene: np.ndarray
    n_users: int
    time_kind: str

    @property
    def n_items(self) -> int:
        """Items of all scenes."""
        return len(self.item_scene)

    def matrix(self) -> sp.csr_matrix:
        """Training events, user × item: float32, ones."""
        return sp.csr_matrix((np.ones(len(self.user), np.float32), (self.user, self.item)), shape=(self.n_users, self.n_items))

    def frequent(self, most: int) -> np.ndarray:
        """Codes of the ``most`` items with the most training events, ascending; items without events are never among them."""
        count = np.bincount(self.item, minlength=self.n_items)
        return np.sort(np.argsort(-count, kind="stable")[: min(most, int((count > 0).sum()))])

    @classmethod
    def read(cls, path: Path) -> Task:
        """Read what ``exchange.export`` wrote."""
        with np.load(path) as held:
            return cls(**{k: held[k].item() if held[k].ndim == 0 else held[k] for k in held})


def linear(past: sp.csr_matrix, items: np.ndarray, weight: np.ndarray) -> Score:
    """The score of an item-to-item model: a person's events (``past``, all items) times ``weight`` [n, n] of ``items`` [n]; 0 for all other items."""
    rows = past[:, items].tocsr()

    def score(users: np.ndarray, first: int, end: int) -> np.ndarray:
        low, high = np.searchsorted(items, [first, end])
        scores = np.zeros((len(users), end - first), np.float32)
        scores[:, items[low:high] - first] = rows[users] @ weight[:, low:high]
        return scores

    return score


def status_gb(field: str) -> float | None:
    """What Linux says of this process' memory under this name, GiB; None elsewhere."""
    status = Path("/proc/self/status")
    found = re.search(rf"{field}:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(found[1]) / 2**20 if found else None


def peak_gb() -> float:
    """Most memory this process has held so far, GiB. Linux counts it from the start of the program; ``getrusage`` also counts the parent's."""
    if held := status_gb("VmHWM"):
        return held
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)


def least(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the least processor seconds of three goes."""
    seconds = []
    for _ in range(3):
        began = time.process_time()
        result = work()
        seconds.append(time.process_time() - began)
    return result, min(seconds)


def ask(score: Score, task: Task, out: Path, block: int = 512) -> None:
    """Write ``scores_<scene>.npy`` for each scene asked: float32 [questions of the scene, its items]. What has no score comes last."""
    for scene in np.unique(task.ask_scene):
        first, end = (int(x) for x in np.searchsorted(task.item_scene, [scene, scene + 1]))
        users = task.ask_user[task.ask_scene == scene]
        table = np.lib.format.open_memmap(out / f"scores_{scene}.npy", "w+", np.float32, (len(users), end - first))
        for at in range(0, len(users), block):
            table[at : at + block] = np.nan_to_num(score(users[at : at + block], first, end), nan=-1e30, neginf=-1e30)
        table.flush()


def run(models: dict[str, Callable[..., Score]], library: str) -> None:
    """The command line ``split.npz model setting-as-JSON seed folder``: fit, ask, and write ``facts.json``.

    A setting with a list of ``epochs`` is one fit of the most of them: its fit is called with ``after(epochs, score)``, and what each of them gives lies in ``folder/<epochs>``.
    Seconds are the processor's, over all threads: other work on the machine does not count. ``wall_fit`` is by the clock on the wall.
    """
    path, name, text, seed, folder = sys.argv[1:]
    task, setting, before, clocks = Task.read(Path(path)), json.loads(text), peak_gb(), (time.process_time, time.perf_counter)
    began = [clock() for clock in clocks]

    def fitted(score: Score, out: Path) -> None:
        now = [clock() for clock in clocks]
        facts = {"version": version(library), "seconds_fit": now[0] - began[0], "wall_fit": now[1] - began[1], "peak_gb": peak_gb(), "before_gb": before}
        out.mkdir(exist_ok=True)
        ask(score, task, out)
        (out / "facts.json").write_text(json.dumps(facts | {"seconds_score": clocks[0]() - now[0]}))
        began[:] = [b + clock() - n for b, clock, n in zip(began, clocks, now, strict=True)]  # asking is no part of a fit that goes on

    if isinstance(setting.get("epochs"), list):
        models[name](task, int(seed), after=lambda epochs, score: fitted(score, Path(folder) / str(epochs)), **setting)
    else:
        fitted(models[name](task, int(seed), **setting), Path(folder))


class _Enough(Exception):
    """The minutes are over."""


def watch(learn: Callable[..., None], library: str) -> None:
    """The command line ``validation.npz test.npz setting-as-JSON seed minutes folder``: learn from the events of the first for so many minutes of the
    processor; after each epoch write ``epoch_<n>.npz`` with the lists for both, each from the events its own file holds, and ``facts.json``.
    """
    *paths, setting, seed, minutes, folder = sys.argv[1:]
    out, tasks = Path(folder), {name: Task.read(Path(path)) for name, path in zip(("validation", "test"), paths, strict=True)}
    before, spent = peak_gb(), []

    @contextmanager
    def epoch(ten: Ten) -> Iterator[None]:
        began = time.process_time()
        yield
        spent.append(time.process_time() - began)
        np.savez(out / f"epoch_{len(spent)}.npz", **{name: ten(task) for name, task in tasks.items()})
        (out / "facts.json").write_text(json.dumps({"version": version(library), "seconds": spent, "before_gb": before, "peak_gb": peak_gb()}))
        print(f"epoch {len(spent)}: {sum(spent):.0f} s", flush=True)
        if sum(spent) > 60 * float(minutes):
            raise _Enough

    with suppress(_Enough):
        learn(tasks["validation"], int(seed), epoch, **json.loads(setting))


def encode(load: Callable[..., Callable[[list[str]], np.ndarray]], library: str) -> None:
    """The command line ``texts.json setting-as-JSON out.npz``: load an encoder, warm it up, encode the texts once, write the vectors and the facts.

    ``load(**setting)`` returns a function from texts to vectors [n, d]. ``seconds`` are the processor's, over all threads; ``wall`` is by the clock on the wall.
    """
    texts, setting, out = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), json.loads(sys.argv[2]), Path(sys.argv[3])
    work = load(**setting)
    work(texts[:64])
    before, began, wall = peak_gb(), time.process_time(), time.perf_counter()
    vectors = work(texts)
    facts = {"seconds": time.process_time() - began, "wall": time.perf_counter() - wall, "peak_gb": peak_gb(), "before_gb": before, "version": version(library)}
    np.savez(out, vectors=vectors, **facts)
