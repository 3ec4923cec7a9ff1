"""The growth benchmark fits the slopes it should, measures the memory that is used, and stops where it said it would."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import growth


@pytest.mark.parametrize("power", [0.5, 1.0, 2.7])
def test_slope_is_the_power_of_the_larger_sizes(power):
    sizes = np.array([10.0, 100, 1000, 10_000])
    values = 3e-6 * sizes**power
    values[0] = 50.0  # a cost of starting that the large sizes do not show
    assert growth.slope(sizes, values) == pytest.approx(power)
    assert growth.slope(sizes, values, last=4) != pytest.approx(power, abs=0.1)


def test_slope_needs_three_values_above_the_least():
    assert growth.slope([1, 10, 100, 1000], [0.0, 0.1, 10, 1000], least=0.05) == pytest.approx(2)
    assert growth.slope([1, 10, 100], [0.01, 0.1, 10], least=0.05) is None


def test_what_is_expected_goes_on_at_the_slope_and_never_below_the_least():
    at = [{"size": 10, "seconds": 1.0}, {"size": 100, "seconds": 100.0}]
    assert growth.expected(at, 10, 1) == pytest.approx(10_000)
    assert growth.expected([{"size": 10, "seconds": 1.0}, {"size": 100, "seconds": 1.1}], 10, 1) == pytest.approx(11)
    assert growth.expected(at[:1], 10, 0) == 1 and growth.expected(at[:1], 10, 3) == 1000


FILLS = """
import json, sys
import numpy as np
from benchmarks import growth
def fills(n):
    there = np.ones(64 * 2**20, np.uint8)
    del there  # a peak before the work began
    return n, lambda: np.ones(n, np.uint8)
fills(1)
possible = growth.set_peak_back()  # not in every container
if sys.argv[1] == "without":
    growth.Path.write_text = lambda *_: None
growth.STAGES["fills"] = growth.Stage("bytes", [(1,)], fills)
print(json.dumps([possible, growth.point("fills", (48 * 2**20,))]))
"""


@pytest.mark.parametrize("how", ["with", "without"])
def test_a_point_counts_the_memory_of_the_work_and_not_what_was_there(how):
    """In a process of its own, as points are: one that has lived for long may have freed memory to reuse, and then nothing grows."""
    said = subprocess.run([sys.executable, "-c", FILLS, how], cwd=Path(growth.__file__).parent.parent, capture_output=True, text=True, check=True).stdout
    possible, found = json.loads(said)
    assert found["size"] == 48 * 2**20 and found["seconds"] >= 0
    assert found["gb"] * 1024 == pytest.approx(48, abs=4) if possible and how == "with" else found["gb"] is None


def test_memory_that_could_not_be_measured_has_no_slope():
    assert growth.slope([1, 10, 100], [None, None, None]) is None
    assert growth.slope([1, 10, 100, 1000], [None, 1.0, 10, 100]) == pytest.approx(1)


def test_stages_run_at_toy_sizes_in_their_own_processes(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_CACHE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(growth.__file__).parent.parent))
    stage = growth.STAGES["item-kNN, by events"]
    monkeypatch.setitem(growth.STAGES, "item-kNN, by events", growth.Stage(stage.by, [(3_000, 25), (9_000, 25)], stage.prepare))
    kept = []
    growth.measure("item-kNN, by events", 60, [], kept.append)
    points = kept[-1]["points"]
    assert [len(k["points"]) for k in kept] == [1, 2, 2] and points[1]["size"] > 2 * points[0]["size"] > 3_000 and not kept[-1]["left_out"]
    log = growth.world(3_000, 25)
    assert len(log.events) == points[0]["size"] and log.n_items == 8 * 25 and (np.diff(log.events.time) >= 0).all()
    assert growth.STAGES["judging, by items"].prepare(9_000, 25)[1]().pairs.ndcg10.between(0, 1).all()


def test_a_run_goes_on_where_it_stopped_and_leaves_out_what_would_take_too_long(monkeypatch):
    asked = []

    def child(*arguments):
        asked.append(int(arguments[2]))
        return f'{{"size": {arguments[2]}, "seconds": {int(arguments[2]) ** 2 / 1e6}, "gb": 0.5}}'

    monkeypatch.setattr(growth, "child", child)
    monkeypatch.setitem(growth.STAGES, "squares", growth.Stage("things", [(10**k,) for k in range(1, 7)], None))
    kept = []
    growth.measure("squares", 150, [{"size": 10, "seconds": 1e-4, "gb": 0.5}], kept.append)
    assert asked == [100, 1_000, 10_000] and kept[-1]["left_out"] == [[100_000], [1_000_000]]
    assert kept[-1]["time_slope"] == pytest.approx(2) and kept[-1]["memory_slope"] == pytest.approx(0, abs=1e-9)


GAPS = """
from benchmarks.peers.peer import status_gb
from recsys_lib.training import release_memory
blocks = [b"x" * 100_000 for _ in range(4_000)]  # written to, or the system has not given them yet
del blocks[::2]
before = status_gb("VmRSS")
release_memory()
print(before - status_gb("VmRSS"))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps free memory between blocks in use")
def test_release_memory_gives_the_gaps_back():
    freed = subprocess.run([sys.executable, "-c", GAPS], cwd=Path(growth.__file__).parent.parent, capture_output=True, text=True, check=True).stdout
    assert 0.12 < float(freed) < 0.25  # 2,000 blocks of 100 kB
