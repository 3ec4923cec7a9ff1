"""Other ways to let a scene change the person: the known multi-scene towers, small, as maps that plug into SceneFusion.

A *tower* is built with (scenes, pools, d) and maps the pools of a past, float [n, pools, d], and a scene's code to persons, float [n, d]:

    SceneFusion(vectors, tower=STAR).fit(log)

Loss, negatives, prior, item reader and training are SceneFusion's own, so that rows of a table differ in the tower alone. Each is its paper's
idea reduced to one layer, without what belongs to click prediction (batch norm, output heads). Every parameter whose name begins with
``scene_`` belongs to the scenes; with these at zero a tower treats all scenes alike (Alone apart, which has nothing else, and Gated, whose gates name
their own).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from recsys_lib.scenes import PairGates


class Pooled(nn.Module):
    """No S: person = (Σ_k mean_k ⊙ pool_k) · A, the same for each target scene. All other towers start from it.

    Attributes:
        mean: float [pools, d], one gate a pool, for all target scenes alike. A: float [d, d].
    """

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__()
        self.mean, self.A = nn.Parameter(torch.full((pools, dim), 1.0 / pools)), nn.Parameter(torch.eye(dim))

    def read(self, pools: torch.Tensor) -> torch.Tensor:
        """The past as one vector: float [n, pools, d] → [n, d]."""
        return (pools * self.mean).sum(1)

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        """Persons as they act in ``scene``: float [n, pools, d] → [n, d]."""
        return self.read(pools) @ self.A


class OwnPast(Pooled):
    """One bit of S: the past *in the target scene itself* gets a gate of its own, the same one in every scene."""

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__(scenes, pools, dim)
        self.half_lives = pools // scenes
        self.scene_own = nn.Parameter(torch.zeros(self.half_lives, dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        own = pools[:, scene * self.half_lives : (scene + 1) * self.half_lives]
        return (self.read(pools) + (own * self.scene_own).sum(1)) @ self.A


class Alone(nn.Module):
    """Each scene for itself: only the past in the scene, and a matrix of its own. What transfer has to beat."""

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__()
        self.half_lives = pools // scenes
        self.scene_own = nn.Parameter(torch.full((scenes, self.half_lives, dim), 1.0 / self.half_lives))
        self.scene_A = nn.Parameter(torch.eye(dim).repeat(scenes, 1, 1))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        """Persons as they act in ``scene``: float [n, pools, d] → [n, d]; zero without a past there."""
        own = pools[:, scene * self.half_lives : (scene + 1) * self.half_lives]
        return (own * self.scene_own[scene]).sum(1) @ self.scene_A[scene]


class Gated(nn.Module):
    """Gates of :mod:`recsys_lib.scenes`, or your own, and A: what SceneFusion does without a tower. ``make(scenes, pools, d)`` builds the gates.

        SceneFusion(vectors, tower=partial(Gated, make=PairGates))
    """

    def __init__(self, scenes: int, pools: int, dim: int, make: Callable[[int, int, int], nn.Module]) -> None:
        super().__init__()
        self.gates, self.A = make(scenes, pools, dim), nn.Parameter(torch.eye(dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        """float [n, pools, d] → [n, d]."""
        return (pools * self.gates()[scene]).sum(1) @ self.A


class SceneFeature(Pooled):
    """The scene as one more feature: person = x A + W₂ relu(W₁ [x; e_s] + b).

    Without the hidden layer e_s would add the same vector to everybody, and so be a correction of the prior, not of the person.
    """

    def __init__(self, scenes: int, pools: int, dim: int, width: int = 16, hidden: int = 64) -> None:
        super().__init__(scenes, pools, dim)
        self.scene_embedding = nn.Parameter(0.1 * torch.randn(scenes, width))
        self.first, self.second = nn.Linear(dim + width, hidden), nn.Parameter(torch.zeros(hidden, dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        x = self.read(pools)
        e = self.scene_embedding[scene].expand(len(x), -1)
        return x @ self.A + torch.relu(self.first(torch.cat([x, e], 1))) @ self.second


class MMoE(Pooled):
    """Multi-gate mixture of experts (Ma et al., KDD 2018): shared experts, mixed by a softmax gate that each scene owns.

    An expert is a tower without S: its own gates on the pools and its own matrix.
    """

    def __init__(self, scenes: int, pools: int, dim: int, experts: int = 4) -> None:
        super().__init__(scenes, pools, dim)
        self.experts = nn.ModuleList([_noisy(Pooled(scenes, pools, dim)) for _ in range(experts)])
        self.scene_gate, self.scene_bias = nn.Parameter(torch.zeros(scenes, dim, experts)), nn.Parameter(torch.zeros(scenes, experts))
        self.A = None  # the experts have theirs

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        share = torch.softmax(self.read(pools) @ self.scene_gate[scene] + self.scene_bias[scene], 1)
        return sum(share[:, k, None] * expert(pools, scene) for k, expert in enumerate(self.experts))


class PLE(Pooled):
    """Progressive layered extraction (Tang et al., RecSys 2020), one layer: a scene mixes shared experts with one that is its own."""

    def __init__(self, scenes: int, pools: int, dim: int, shared: int = 2) -> None:
        super().__init__(scenes, pools, dim)
        self.experts = nn.ModuleList([_noisy(Pooled(scenes, pools, dim)) for _ in range(shared)])
        self.scene_mean = nn.Parameter(torch.full((scenes, pools, dim), 1.0 / pools))
        self.scene_A = nn.Parameter(torch.eye(dim).repeat(scenes, 1, 1))
        self.scene_gate, self.scene_bias = nn.Parameter(torch.zeros(scenes, dim, shared + 1)), nn.Parameter(torch.zeros(scenes, shared + 1))
        self.A = None

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        share = torch.softmax(self.read(pools) @ self.scene_gate[scene] + self.scene_bias[scene], 1)
        own = (pools * self.scene_mean[scene]).sum(1) @ self.scene_A[scene]
        return sum((share[:, k, None] * e(pools, scene) for k, e in enumerate(self.experts)), start=share[:, -1:] * own)


class STAR(Pooled):
    """Star topology (Sheng et al., CIKM 2021): a scene's weights are the shared ones *times* its own, entry by entry; biases add."""

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__(scenes, pools, dim)
        self.scene_mean, self.scene_A = nn.Parameter(torch.zeros(scenes, pools, dim)), nn.Parameter(torch.zeros(scenes, dim, dim))
        self.scene_bias = nn.Parameter(torch.zeros(scenes, dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        x = (pools * self.mean * (1 + self.scene_mean[scene])).sum(1)
        return x @ (self.A * (1 + self.scene_A[scene])) + self.scene_bias[scene]


class PEPNet(Pooled):
    """Gating in the style of PEPNet (Chang et al., KDD 2023): gates 2·sigmoid(…) in (0, 2), written from a scene's embedding.

    The first gate (its EPNet) multiplies what comes in, the second (its PPNet) what goes out; the second also sees the person, without
    sending a gradient back there, as in the paper.
    """

    def __init__(self, scenes: int, pools: int, dim: int, width: int = 16) -> None:
        super().__init__(scenes, pools, dim)
        self.scene_embedding = nn.Parameter(0.1 * torch.randn(scenes, width))
        self.enter, self.leave = nn.Parameter(torch.zeros(width, pools * dim)), nn.Parameter(torch.zeros(width + dim, dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        e = self.scene_embedding[scene]
        x = self.read(pools * 2 * torch.sigmoid(e @ self.enter).view(pools.shape[1:]))
        told = torch.cat([e.expand(len(x), -1), x.detach()], 1)
        return x @ self.A * 2 * torch.sigmoid(told @ self.leave)


class LowRank(Pooled):
    """A low-rank adapter a scene, as LoRA (Hu et al., ICLR 2022) has one a task: A_s = A + down_s · up_s."""

    def __init__(self, scenes: int, pools: int, dim: int, rank: int = 4) -> None:
        super().__init__(scenes, pools, dim)
        self.scene_down = nn.Parameter(torch.randn(scenes, dim, rank) / dim**0.5)
        self.scene_up = nn.Parameter(torch.zeros(scenes, rank, dim))

    def forward(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        x = self.read(pools)
        return x @ self.A + x @ self.scene_down[scene] @ self.scene_up[scene]


TOWERS = {
    "each scene alone": Alone, "pooled, no S": Pooled, "own past": OwnPast, "pair gates": partial(Gated, make=PairGates), "scene as a feature": SceneFeature, "MMoE": MMoE, "PLE": PLE, "STAR": STAR, "PEPNet-style": PEPNet,
    "low-rank adapter": LowRank,
}  # fmt: skip


def _noisy(expert: Pooled, by: float = 0.02) -> Pooled:
    """The same expert, a little moved: equal experts would get equal gradients and stay equal."""
    with torch.no_grad():
        for weight in expert.parameters():
            weight += by * torch.randn_like(weight) * weight.abs().max()
    return expert
