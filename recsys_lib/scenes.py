"""S, the scene: a gate for each scene, which says what of a person's past counts when they act there.

A gate is a number for each pool of the past (:class:`~recsys_lib.profiles.Profiles`) and each dimension: float [pools, d].
A single number for a whole scene could not change any ranking inside it; a number a dimension can.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from recsys_lib.errors import BadData
from recsys_lib.language import unit


def among_neighbours(vectors: np.ndarray, scene: np.ndarray, k: int = 10, rounds: int = 2) -> np.ndarray:
    """Read each item with its nearest in the catalogue of its scene: the mean of ``k`` vectors, its own among them, taken ``rounds`` times.

    What alike items share stays, what one text alone says goes. Only texts are needed, so it works in a scene without a single event. Whether
    it helps is for the past to say: it pays where people care for topics, and costs where they care for the particular.

    Args:
        vectors: float [n, d]. scene: int [n], the scene of each item. k: at most the whole scene is taken. rounds: 0 changes nothing but lengths.

    Returns:
        float32 [n, d], each row of length 1 (a zero row where all k are zero).

    Raises:
        BadData: k below 1, or not one scene for each vector.
    """
    out = unit(np.asarray(vectors, np.float32))
    if k < 1 or len(scene) != len(out):
        raise BadData(f"k is {k}, and there are {len(out)} vectors and scenes of {len(scene)} items; give a k of 1 at least, and one scene for each vector.")
    for s in np.unique(scene):
        rows = np.flatnonzero(np.asarray(scene) == s)
        x = out[rows]
        for _ in range(rounds):
            near = [torch.from_numpy(part @ x.T).topk(min(k, len(x))).indices.numpy() for part in np.array_split(x, len(x) // 1000 + 1)]
            x = unit(x[np.concatenate(near)].mean(1))
        out[rows] = x
    return out


class PairGates(nn.Module):
    """A free gate for each pair of target scene and pool: float [scenes, pools, d]. A scene never trained on gets the mean gate."""

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.full((scenes, pools, dim), 1.0 / pools))
        self.register_buffer("trained", torch.ones(scenes, dtype=torch.bool))

    def forward(self) -> torch.Tensor:
        """All gates: float [scenes, pools, d]."""
        mean = self.table[self.trained].mean(0)
        return torch.where(self.trained[:, None, None], self.table, mean)


class MeanGate(nn.Module):
    """One gate for all target scenes: what there is to beat before a scene is credited with anything."""

    def __init__(self, scenes: int, pools: int, dim: int) -> None:
        super().__init__()
        self.scenes, self.table = scenes, nn.Parameter(torch.full((pools, dim), 1.0 / pools))

    def forward(self) -> torch.Tensor:
        """The gate, once for each scene: float [scenes, pools, d]."""
        return self.table.expand(self.scenes, -1, -1)


class TextGates(nn.Module):
    """Gates written by a small hypernetwork (Ha, Dai & Le, ICLR 2017) from the scenes' descriptions.

        gate(target, source) = mean ⊙ (1 + write(read(target) ⊙ read(source)))  [+ own, where target and source are one scene]

    A scene that opens tomorrow has a description today, so it has a gate. The two readings are *multiplied*, because what counts is
    whether two scenes have something in common, and a product is large exactly where both are. (Laid side by side, they would have
    to find that out from sums.)

    Args:
        descriptions: float [scenes, e], what L makes of each description; best whitened (:func:`~recsys_lib.language.whiten`) where
            there are many, so that the words all descriptions share do not drown those that differ.
        half_lives: pools of one scene. rank: numbers read from a description; each moves all dimensions along one learned direction.
    """

    def __init__(self, descriptions: torch.Tensor, half_lives: int, dim: int, rank: int = 16) -> None:
        super().__init__()
        scenes, width = descriptions.shape
        self.register_buffer("descriptions", descriptions.float())
        self.half_lives, self.mean = half_lives, nn.Parameter(torch.full((half_lives, dim), 1.0 / (scenes * half_lives)))
        self.own = nn.Parameter(torch.zeros(half_lives, dim))  # the past in the target scene itself
        self.read, self.write = nn.Linear(width, rank, bias=False), nn.Linear(rank, half_lives * dim, bias=False)
        nn.init.zeros_(self.write.weight)

    def forward(self) -> torch.Tensor:
        """All gates: float [scenes, scenes · half-lives, d]."""
        r = self.read(self.descriptions)
        n = len(r)
        change = self.write(r[:, None] * r[None]).view(n, n, self.half_lives, -1)
        same = torch.eye(n, device=r.device)[:, :, None, None] * self.own
        return (self.mean * (1 + change) + same).flatten(1, 2)
