"""How long does one person wait for a list? Scene fusion over a scene of 20,000 items, everything encoded and fitted before.

    python -m benchmarks.one_person                               prints the milliseconds of a list of ten
    python -m benchmarks.one_person --record 08-one-person        also writes data/results/08-one-person.json

Vectors of the items' themes and noise stand in for encoded texts, since nothing here depends on what a vector says. Each person is asked about
once, one after the other, as a server would be; ten others warm up. Two clocks are read: processor milliseconds, which other work on the machine
does not change much, and milliseconds on the wall, which it does. The target is for the first, since a server has its processor to itself.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from recsys_lib.data.sceneworld import make_world
from recsys_lib.language import unit
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.recommend import first_k, recommend
from recsys_lib.results import record

TARGET_MS = 5.0


def spread(work: Callable[[int], object], people: np.ndarray) -> dict[str, float]:
    """Milliseconds of ``work(person)``: the median, and what 95 of 100 stay below; by the processor's clock and by the wall's."""
    for person in people[:10]:
        work(int(person))
    times = []
    for person in people[10:]:
        began = time.process_time(), time.perf_counter()
        work(int(person))
        times.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    (median, wall), (p95, wall_p95) = np.quantile(np.array(times) * 1e3, [0.5, 0.95], axis=0)
    return {"median": median, "p95": p95, "wall_median": wall, "wall_p95": wall_p95, "n": len(times)}


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--items", type=int, default=20_000, help="items a scene (default %(default)s)")
    args.add_argument("--people", type=int, default=210, help="people asked about; the first ten warm up (default %(default)s)")
    args.add_argument("--dim", type=int, default=192, help="numbers a vector; the recorded Amazon run has as many (default %(default)s)")
    args.add_argument("--record", metavar="ID")
    given = args.parse_args()
    world = make_world("default", items=given.items)
    log, random = world.log, np.random.default_rng(0)
    vectors = unit(random.standard_normal((world.theme.max() + 1, given.dim)))[world.theme] + 0.5 * unit(random.standard_normal((log.n_items, given.dim)))
    model = SceneFusion(vectors, cuts=4, epochs=1).fit(log)
    people, scene = random.permutation(log.n_users)[: given.people], log.scene_code("music")
    items, scores = log.scene_items(scene), model.score(people[:1], scene)[0]
    figures = {
        "a list of ten": spread(lambda u: recommend(model, [u], scene), people),
        "of that, the scores": spread(lambda u: model.score(np.array([u]), scene), people),
        "of that, the first ten of 20,000": spread(lambda u: first_k(scores, items, 10), people),
        "of that, what the person has": spread(lambda u: log.items_of(np.array([u])), people),
        "a matrix of the whole log, for comparison": spread(lambda u: log.matrix()[[u]][:, items].tocoo(), people[:40]),
    }
    print(f"{len(items):,} items in {log.scenes['name'][scene]}, {log.n_users:,} people, {len(log.events):,} events, {torch.get_num_threads()} threads")
    for name, ms in figures.items():
        print(f"{name:42s} median {ms['median']:6.2f} ms, 95 of 100 within {ms['p95']:6.2f} ms; on the wall {ms['wall_median']:6.2f} and {ms['wall_p95']:6.2f} ms (n = {ms['n']})")
    reached = figures["a list of ten"]["median"] <= TARGET_MS
    print(f"at most {TARGET_MS:g} ms asked for: {'reached' if reached else 'missed'}")
    if given.record:
        record(given.record, command=f"python -m benchmarks.one_person --record {given.record}", metrics=figures, data="sceneworld, default, 20,000 items a scene",
               items=len(items), people=log.n_users, events=len(log.events), dim=given.dim, seeds=[7, 0], threads=torch.get_num_threads(), target_ms=TARGET_MS)  # fmt: skip


if __name__ == "__main__":
    main()
