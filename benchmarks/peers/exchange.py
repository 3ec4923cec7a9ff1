"""Our side of the border: a split goes out as arrays, scores come back as something our judge can ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsys_lib.data import InteractionLog, Split
from recsys_lib.data.log import ITEM, SCENE, TIME, USER
from recsys_lib.errors import BadData


def export(split: Split, path: Path) -> None:
    """Write the training events, in order of time, and the questions, without their answers, to one ``.npz``; ``peer.Task.read`` reads it."""
    events, pairs = split.train.events.sort_values([TIME, USER, ITEM], kind="stable"), split.pairs
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, **{column: events[column].to_numpy(np.int64) for column in (USER, ITEM, SCENE, TIME)},
        ask_user=pairs[USER].to_numpy(np.int64), ask_scene=pairs[SCENE].to_numpy(np.int64), item_scene=split.log.items[SCENE].to_numpy(np.int64),
        n_users=split.log.n_users, time_kind=split.log.time_kind,
    )  # fmt: skip


class Scores:
    """The scores a script wrote for the questions of a split, as a model that can be judged.

    Args:
        folder: with ``scores_<scene>.npy``. split: the split that was exported.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        self.log, user, scene = split.log, split.pairs[USER].to_numpy(), split.pairs[SCENE].to_numpy()
        self.asked = {int(s): user[scene == s] for s in np.unique(scene)}
        self.table = {s: np.load(folder / f"scores_{s}.npy", mmap_mode="r") for s in self.asked}

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores: float32 [len(users), items in scene].

        Raises:
            BadData: a user who was not asked about in this scene, or another history: a file answers only what it was asked.
        """
        scene = self.log.scene_code(scene)
        asked, users = self.asked.get(scene, np.empty(0, np.int64)), np.asarray(users)
        row = np.minimum(np.searchsorted(asked, users), max(0, len(asked) - 1))
        if history is not None or not len(asked) or (asked[row] != users).any():
            raise BadData(f"scene {scene}: the scores of this file answer the questions of one split, with the history of its training; ask those.")
        return np.array(self.table[scene][row])


class Lists:
    """Lists of ten that a script wrote for the questions of a split, as a model that can be judged: ten places, and nothing below them.

    Args:
        ten: item codes int64 [pairs, 10], best first, -1 for none. split: the questions, of one scene.
    """

    def __init__(self, ten: np.ndarray, split: Split) -> None:
        self.items, self.row = split.log.scene_items(int(split.pairs[SCENE].iloc[0])), dict(zip(split.pairs[USER], range(len(ten)), strict=True))
        self.ten = ten

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """10 for the first place, …, 1 for the tenth, 0 for all others: float32 [len(users), items in scene]."""
        scores = np.zeros((len(users), len(self.items)), np.float32)
        for row, user in zip(scores, users, strict=True):
            shown = self.ten[self.row[user]]
            row[shown[shown >= 0] - self.items[0]] = 10 - np.arange(len(shown))[shown >= 0]
        return scores
