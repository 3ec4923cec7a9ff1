"""The multi-scene towers: shapes, pooled when their scene part is off, and a gradient that reaches every scene part."""

import numpy as np
import pytest
import torch

from recsys_lib.data import temporal_split
from recsys_lib.data.sceneworld import make_world
from recsys_lib.models.multiscene import TOWERS, Alone, Gated, OwnPast, Pooled
from recsys_lib.models.scene_fusion import SceneFusion
from recsys_lib.scenes import MeanGate, PairGates, TextGates

SCENES, HALF_LIVES, DIM = 3, 2, 6
SCENIC = [name for name in TOWERS if name != "pooled, no S"]
SHARED = [name for name in TOWERS if name not in ("each scene alone", "pair gates")]


def make(name):
    torch.manual_seed(0)
    return TOWERS[name](SCENES, SCENES * HALF_LIVES, DIM)


def stirred(tower):
    """The same tower with every weight moved, as after training."""
    with torch.no_grad():
        for weight in tower.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return tower


@pytest.fixture
def pools():
    return torch.randn(5, SCENES * HALF_LIVES, DIM, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_maps_pools_to_persons_row_by_row(name, pools):
    tower = stirred(make(name))
    out = tower(pools, 1)
    assert out.shape == (5, DIM) and torch.isfinite(out).all()
    torch.testing.assert_close(tower(pools[2:3], 1), out[2:3])


@pytest.mark.parametrize("name", SHARED)
def test_with_its_scene_part_off_a_tower_treats_all_scenes_alike(name, pools):
    tower = stirred(make(name))
    with torch.no_grad():
        for weight in (w for n, w in tower.named_parameters() if n.startswith("scene_")):
            weight.zero_()
    torch.testing.assert_close(tower(pools, 0), tower(pools, 2))


@pytest.mark.parametrize("name", SCENIC)
def test_with_its_scene_part_on_it_does_not(name, pools):
    tower = stirred(make(name))
    assert not torch.allclose(tower(pools, 0), tower(pools, 2), atol=1e-3)


@pytest.mark.parametrize("name", [n for n in SHARED if n not in ("MMoE", "PLE")] + ["pair gates"])
def test_before_training_a_tower_is_the_pooled_one(name, pools):
    torch.testing.assert_close(make(name)(pools, 1), Pooled(SCENES, SCENES * HALF_LIVES, DIM)(pools, 1))


def test_a_mixture_of_equal_experts_is_the_pooled_tower(pools):
    for name in ("MMoE", "PLE"):
        tower = make(name)
        pooled = Pooled(SCENES, SCENES * HALF_LIVES, DIM)
        for expert in tower.experts:
            expert.load_state_dict(pooled.state_dict())
        torch.testing.assert_close(tower(pools, 2), pooled(pools, 2))


@pytest.mark.parametrize("name", SCENIC)
def test_the_gradient_reaches_the_part_of_the_scene_asked_and_no_other(name, pools):
    tower = stirred(make(name))
    tower(pools, 1).square().sum().backward()
    parts = {n: w for n, w in tower.named_parameters() if n.startswith("scene_") or n == "gates.table"}
    assert parts
    for part in parts.values():
        if len(part) == SCENES:
            assert part.grad[1].abs().sum() > 0 and part.grad[0].abs().sum() == 0
        else:
            assert part.grad.abs().sum() > 0


def test_own_past_and_alone_read_the_pools_of_the_target_scene(pools):
    own, alone = stirred(OwnPast(SCENES, SCENES * HALF_LIVES, DIM)), stirred(Alone(SCENES, SCENES * HALF_LIVES, DIM))
    with torch.no_grad():
        own.mean.zero_()
    changed = pools.clone()
    changed[:, :4] = 7  # scenes 0 and 1
    for tower in (own, alone):
        torch.testing.assert_close(tower(changed, 2), tower(pools, 2))
        assert not torch.allclose(tower(changed, 1), tower(pools, 1))


def test_gated_is_what_scene_fusion_does_by_itself():
    split = temporal_split(make_world("tiny").log)
    vectors = np.random.default_rng(0).standard_normal((split.log.n_items, 8)).astype(np.float32)
    same = {"half_lives": (None,), "cuts": 6, "epochs": 1, "negatives": 50}
    for kind, gates in (("pair", PairGates), ("mean", MeanGate)):
        plain = SceneFusion(vectors, kind, **same).fit(split.train, split.until)
        plugged = SceneFusion(vectors, tower=lambda s, p, d, gates=gates: Gated(s, p, d, gates), **same).fit(split.train, split.until)
        people = split.pairs.user.to_numpy()[:20]
        np.testing.assert_allclose(plain.score(people, 1), plugged.score(people, 1), atol=1e-3)


def test_text_gates_are_larger_between_scenes_whose_descriptions_share_what_counts():
    e = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    gates = TextGates(e, 1, 4, rank=2)
    with torch.no_grad():
        gates.read.weight.copy_(torch.eye(2))
        gates.write.weight.fill_(1)
    g = gates()
    assert (g[0, 1] > g[0, 2]).all() and torch.allclose(g[0, 2], gates.mean[0])
