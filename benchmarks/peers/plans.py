"""Which models of which library, the settings each may choose from, and which of ours has the same name.

The budget is that of our own baselines: at most 12 settings a model, six where it is trained step by step. What is not named
here keeps the library's own default.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any


@dataclass(frozen=True)
class Plan:
    """``ours``: the model of this library with the same name, or None. ``settings``: what is tried. ``seeded``: its fit depends on a seed; ``seeds``: with how many it is fitted at most, where minutes forbid more.

    A setting with a list of ``epochs`` is several settings and one fit, judged after each of them. ``known``: the choice is made by people with a past alone. Most peers answer nobody else, so theirs is always made so, whoever is asked.
    """

    ours: str | None
    settings: tuple[dict[str, Any], ...]
    seeded: bool = False
    known: bool = False
    seeds: int = 3


def grid(**options: list) -> tuple[dict[str, Any], ...]:
    """All combinations of the options."""
    return tuple(dict(zip(options, values, strict=True)) for values in product(*options.values()))


NEIGHBOURS = [20, 50, 100, 200, 500, 1000]
RIDGES = [20, 50, 100, 200, 500, 1000]
EPOCHS = [1, 2, 3, 5, 10]
SEQUENCES: dict[str, list] = {"n_factors": [64], "n_heads": [1], "session_max_len": [50], "epochs": [EPOCHS]}
"""Of a size with our SASRec; RecTools' own (256, 4 and 100) are for a GPU, and its three epochs for its examples."""

PLANS: dict[str, dict[str, Plan]] = {
    "ours": {
        "item-kNN": Plan("item-kNN", grid(shrink=[0, 10, 50, 200], neighbours=[None, 200, 50])),
        "item-kNN, asymmetric": Plan("item-kNN", grid(target=[0.25, 0.0], shrink=[0, 50], neighbours=[None, 500, 100])),
        "EASE": Plan("EASE", grid(lam=RIDGES, most=[6_000, 12_000])),
        "BPR-MF": Plan("BPR-MF", grid(reg=[0.03, 0.06, 0.1], epochs=[40, 80]), seeded=True),
        "BPR-MF, chosen by known people": Plan("BPR-MF", grid(reg=[0.03, 0.06, 0.1], epochs=[40, 80]), seeded=True, known=True),
        "SASRec": Plan("SASRec", grid(dropout=[0.2, 0.5], lr=[5e-4, 1e-3, 2e-3]), seeded=True),
        "SASRec, chosen by known people": Plan("SASRec", grid(loss=["softmax"], epochs=EPOCHS), seeded=True, known=True),
        "SASRec, one loss over all scenes": Plan("SASRec", grid(per_scene=[False], decay=[True], dropout=[0.5], lr=[2e-3], epochs=[12], negatives=[512, 4096]), seeded=True),
    },
    "implicit": {
        "iALS": Plan(None, grid(factors=[64], regularization=[0.01, 0.1], alpha=[1.0, 10.0, 40.0]), seeded=True),
        "BPR": Plan("BPR-MF", grid(factors=[64], learning_rate=[0.01, 0.05], regularization=[0.003, 0.01, 0.03]), seeded=True),
        "item-kNN, cosine": Plan("item-kNN", grid(K=NEIGHBOURS)),
        "item-kNN, TF-IDF": Plan("item-kNN", grid(K=NEIGHBOURS)),
        "item-kNN, BM25": Plan("item-kNN", grid(K=NEIGHBOURS, B=[0.25, 0.75])),
    },
    "lenskit": {
        "item-kNN": Plan("item-kNN", grid(max_nbrs=NEIGHBOURS)),
        "EASE": Plan("EASE", grid(regularization=RIDGES, most=[12_000])),
        "iALS": Plan(None, grid(embedding_size=[64], regularization=[0.01, 0.1], weight=[1.0, 10.0, 40.0]), seeded=True),
    },
    "cornac": {
        "BPR": Plan("BPR-MF", grid(k=[64], max_iter=[100], learning_rate=[0.01, 0.05], lambda_reg=[0.003, 0.01, 0.03]), seeded=True),
        "EASE": Plan("EASE", grid(lamb=RIDGES, posB=[True, False], most=[12_000])),
        "SASRec": Plan("SASRec", grid(embedding_dim=[64], epochs=[EPOCHS]), seeded=True, seeds=1),
    },
    "rectools": {
        "EASE": Plan("EASE", grid(regularization=RIDGES, most=[12_000])),
        "SASRec": Plan("SASRec", grid(**SEQUENCES), seeded=True),
        "eSASRec": Plan("SASRec", grid(n_negatives=[256], **SEQUENCES), seeded=True),
    },
    "recbole": {
        "item-kNN": Plan("item-kNN", grid(k=NEIGHBOURS, shrink=[0.0, 50.0])),
        "EASE": Plan("EASE", grid(reg_weight=RIDGES, most=[12_000])),
        "BPR": Plan("BPR-MF", grid(embedding_size=[64], learning_rate=[5e-4, 1e-3, 5e-3], epochs=[20, 60]), seeded=True),
    },
    "torch-rechub": {
        "MMoE": Plan(None, grid(factors=[16], dropout=[0.0, 0.2], epochs=[5, 15]), seeded=True),
        "PLE": Plan(None, grid(factors=[16], dropout=[0.0, 0.2], epochs=[5, 15]), seeded=True),
    },
}
"""By library and model."""
