"""S, the scene: a gate for each scene, which says what of a person's past counts when they act there.

A gate is a number for each pool of the past (:class:`~recsys_lib.profiles.Profiles`) and each dimension: float [pools, d].
A single number for a whole scene could not change any ranking inside it; a number a dimension can.
"""

from __future__ import annotations

import torch
from torch import nn


class PairGates(nn.Module):
    """A free gate for each pair of target scene and pool: float [scenes, pools, d].

    A scene never trained on gets the mean gate; with ``by_role``, the mean of the gates that play the same part: for a past elsewhere those
    of other trained targets for which it is a past elsewhere too, for its own past those of the trained scenes for theirs.
    """

    def __init__(self, scenes: int, pools: int, dim: int, by_role: bool = False) -> None:
        super().__init__()
        self.by_role, self.table = by_role, nn.Parameter(torch.full((scenes, pools, dim), 1.0 / pools))
        self.register_buffer("trained", torch.ones(scenes, dtype=torch.bool))

    def forward(self) -> torch.Tensor:
        """All gates: float [scenes, pools, d]."""
        unseen = self._by_role() if self.by_role else self.table[self.trained].mean(0)
        return torch.where(self.trained[:, None, None], self.table, unseen)

    def _by_role(self) -> torch.Tensor:
        """The gate that each scene would have, had it never been trained on: float [scenes, pools, d]."""
        table, known = self.table.unflatten(1, (len(self.table), -1)), self.trained.nonzero().squeeze(1)  # [target, source, half-lives, d]
        own, away = table[known, known], table[known].mean(0)
        if len(known) > 1:
            away = away.index_copy(0, known, (table[known][:, known].sum(0) - own) / (len(known) - 1))
        home = torch.eye(len(table), dtype=torch.bool, device=table.device)[:, :, None, None]
        return torch.where(home, own.mean(0), away).flatten(1, 2)


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
