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


class Given:
    """Scores that are already there, of a split with one scene, as a model that can be judged: float [questions, items], in the order of its pairs."""

    def __init__(self, scores: np.ndarray, split: Split) -> None:
        self.scores, self.user = scores, split.pairs[USER].to_numpy()

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """The rows of ``users``."""
        return self.scores[np.searchsorted(self.user, users)]


def of_lists(ten: np.ndarray, split: Split) -> Given:
    """Lists of ten as scores: 10 for the first place, …, 1 for the tenth, 0 for all else. ``ten``: item codes int64 [questions, 10], -1 for no item."""
    items = split.log.scene_items(int(split.pairs[SCENE].iloc[0]))
    scores = np.zeros((len(ten), len(items)), np.float32)
    question, place = np.nonzero(ten >= 0)
    scores[question, ten[question, place] - items[0]] = ten.shape[1] - place
    return Given(scores, split)
