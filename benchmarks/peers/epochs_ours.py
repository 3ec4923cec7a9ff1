"""Our SASRec, watched epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import peer
from run_ours import log_of

from recsys_lib.metrics import top_k
from recsys_lib.models.sasrec import SASRec


def start(task: peer.Task, seed: int, **setting: Any) -> tuple[Callable[[], object], peer.Ten]:
    model = SASRec(seed=seed, device="cpu", epochs=1, **setting)
    learning = model.epochs_of(log_of(task))

    def ten(asked: peer.Task) -> np.ndarray:
        past, lists = log_of(asked), np.full((len(asked.ask_user), 10), -1)
        seen = past.matrix()
        for at in range(0, len(lists), 512):
            users = asked.ask_user[at : at + 512]
            scores = model.score(users, 0, past)
            scores[seen[users].nonzero()] = -np.inf
            lists[at : at + 512] = top_k(scores, 10)
        return lists

    return lambda: next(learning), ten


if __name__ == "__main__":
    peer.run_epochs(start, "torch")
