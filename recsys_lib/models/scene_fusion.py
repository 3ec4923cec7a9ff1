"""Scene fusion, R = f(P, I, S, L): the book's own system, and the article's R = M(X)·A·S made precise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from recsys_lib.data.log import DAY, DESCRIPTION, ITEM, NAME, SCENE, TIME, UNDATED, USER, InteractionLog
from recsys_lib.data.splits import Split
from recsys_lib.errors import BadData
from recsys_lib.models import saving
from recsys_lib.models.histories import Fitted, Reader, check_codes, whole
from recsys_lib.models.validation import ndcg10
from recsys_lib.profiles import Profiles
from recsys_lib.scenes import MeanGate, PairGates, TextGates
from recsys_lib.training import train

RANGES: dict[str, Callable[[float], bool]] = {"above 0": lambda x: x > 0, "0 or more": lambda x: x >= 0, "from 0 to 1": lambda x: 0 <= x <= 1}


class Net(nn.Module):
    """The learned part: gates S, item-attribute weights A, the reader of item vectors, and the prior's weights. Without ``ids`` only the product of A and ``read`` counts."""

    def __init__(self, gates: nn.Module, scenes: int, dim: int, windows: int, n_items: int, ids: bool, tower: nn.Module | None = None) -> None:
        super().__init__()
        self.gates, self.A, self.read = gates, nn.Parameter(torch.eye(dim)), nn.Parameter(torch.eye(dim))
        self.tower = tower
        if tower is not None:
            self.gates = self.A = None
        self.log_tau, self.beta, self.new = nn.Parameter(torch.full((scenes,), 1.6)), nn.Parameter(torch.full((scenes, windows), 0.2)), nn.Parameter(torch.zeros(scenes))
        self.residual = nn.Embedding(n_items, dim) if ids else None
        if ids:
            nn.init.zeros_(self.residual.weight)

    def person(self, pools: torch.Tensor, scene: int) -> torch.Tensor:
        """τ_s · (Aᵀ m_u) where m_u is the gated sum of the pools: float [n, pools, d] → [n, d]."""
        person = (pools * self.gates()[scene]).sum(1) @ self.A if self.tower is None else self.tower(pools, scene)
        return person * self.log_tau[scene].exp()

    def things(self, vectors: torch.Tensor, codes: torch.Tensor, known: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        """h_i: the read text vector, plus the residual of items that have been met. ``drop``: share of items that go without it."""
        h = vectors @ self.read
        if self.residual is None:
            return h
        keep = known * (torch.rand(len(codes), device=h.device) >= drop) if drop else known
        return h + self.residual(codes) * keep[:, None]

    def prior(self, features: torch.Tensor, known: torch.Tensor, scene: int) -> torch.Tensor:
        """π_s(i, t): weighted log counts, and one number for items nobody had met by t. float [n, windows], [n] → [n]."""
        return features @ self.beta[scene] + (1 - known) * self.new[scene]


class SceneFusion:
    """score(u, i, s, t) = τ_s · <Aᵀ Σ_k g_{s,k} ⊙ p_{u,k}, h_i> + π_s(i, t).

    p_{u,k} is pool k of the person's past (a scene and a half-life), g the gate of scene s for that pool, h_i the item's text
    vector after a learned linear map, π a weighted sum of log popularity in several windows. All of it is trained at once by a
    softmax over the items of the scene: at each of ``cuts`` moments, ``step`` days apart, counts are taken strictly before the
    moment, and the events of the following ``step`` days are to be predicted, each from its own person's strictly earlier past.
    The sum over the scene is estimated from ``negatives`` drawn items with a log-q correction (Yi et al., RecSys 2019); q is proportional
    to .3 + the square root of the geometric mean, over the windows, of 1 + an item's count.
    An item without events at a moment is *new* there, as it will be at T: so the model learns what newness is worth.

    Args:
        vectors: float [n_items, d], as a rule whitened text vectors (:func:`~recsys_lib.language.whiten`).
        gates: ``pair`` (free, one a pair of scenes), ``text`` (from descriptions), ``mean`` (one for all).
        descriptions: float [n_scenes, e], for ``text``.
        half_lives: pools a scene, see :class:`~recsys_lib.profiles.Profiles`.
        ids: add a learned residual to items met in training; ``id_drop`` of them go without it in each batch.
        hide: share of training questions whose person's past in the target scene is hidden, as it is for withheld people.
        tower: another map from pools to the person in place of gates and A, built with (scenes, pools, d);
            see :mod:`~recsys_lib.models.multiscene`.
        windows, step, cuts: days, days, moments; see above. epochs, lr, weight_decay, batch, negatives, seed: of the training.

    Attributes:
        net: the learned part. log_: one dict an epoch.
    """

    log = Fitted()

    def __init__(
        self, vectors: np.ndarray, gates: str = "pair", descriptions: np.ndarray | None = None, half_lives: Sequence[float | None] = (None, 90),
        ids: bool = False, id_drop: float = 0.3, hide: float = 0.2, windows: Sequence[float] = (7, 14, 30, 90, 365), step: float = 14, cuts: int = 52,
        epochs: int = 4, lr: float = 2e-3, weight_decay: float = 0.01, batch: int = 512, negatives: int = 1500, seed: int = 0, device: str | None = None,
        tower: Callable[[int, int, int], nn.Module] | None = None,
    ) -> None:  # fmt: skip
        if gates not in ("pair", "text", "mean"):
            raise BadData(f"gates is {gates!r}; use 'pair', 'text' or 'mean'.")
        if (gates == "text") != (descriptions is not None):
            raise BadData("gates='text' needs the vectors of the scenes' descriptions, and only it.")
        if np.ndim(vectors) != 2:
            raise BadData(f"vectors have shape {np.shape(vectors)}; give one row an item, [n_items, d].")
        for name, days in (("half_lives", half_lives), ("windows", windows)):
            if not np.iterable(days) or not len(days) or not all((day is None and name == "half_lives") or _number(day) and day > 0 for day in days):
                raise BadData(f"{name} is {days!r}; give a tuple of positive numbers of days, one at least{', None for all time' if name == 'half_lives' else ''}.")
        for name, value, least in (("cuts", cuts, 1), ("epochs", epochs, 1), ("batch", batch, 1), ("negatives", negatives, 1), ("seed", seed, 0)):
            if not isinstance(value, Integral) or value < least:
                raise BadData(f"{name} is {value!r}; give a whole number, {least} or more.")
        for name, value, range_ in (("step", step, "above 0"), ("lr", lr, "above 0"), ("weight_decay", weight_decay, "0 or more"), ("id_drop", id_drop, "from 0 to 1"), ("hide", hide, "from 0 to 1")):
            if not _number(value) or not RANGES[range_](value):
                raise BadData(f"{name} is {value!r}; give a number {range_}.")
        self.vectors, self.kind, self.descriptions, self.half_lives = np.asarray(vectors, np.float32), gates, descriptions, tuple(half_lives)
        self.ids, self.id_drop, self.hide = ids, id_drop, hide
        self.tower, self.windows, self.step, self.cuts = tower, tuple(windows), step, cuts
        self.epochs, self.lr, self.weight_decay, self.batch, self.negatives, self.seed = epochs, lr, weight_decay, batch, negatives, int(seed)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @whole
    def fit(self, log: InteractionLog, until: int | None = None, show_progress: bool = False, validation: Split | None = None, **training: Any) -> SceneFusion:
        """Train on the events before ``until`` (all if None).

        Args:
            validation: a ``Split`` inside training: stop early on its NDCG@10 and keep the best epoch.
            **training: more arguments of :func:`~recsys_lib.training.train`: ``checkpoint``, ``writer``, ``optimizer``, ``schedule``, ``clip``, ``amp``, …

        Raises:
            BadData: the log has no calendar time, or the vectors do not match its items, or the descriptions its scenes.
            RecsysError: the loss is not a number any more.
        """
        if log.time_kind not in ("second", "day"):
            raise BadData(f"SceneFusion needs calendar time, and {log.name} has time in {log.time_kind!r}.")
        if self.descriptions is not None and len(self.descriptions) != log.n_scenes:
            raise BadData(f"there are {len(self.descriptions)} descriptions for the {log.n_scenes} scenes of {log.name}; give one row a scene.")
        self.log = log = log.before(until)
        dated = log.events[log.events[TIME] != UNDATED]
        time, item, user, scene = (dated[c].to_numpy(np.int64) for c in (TIME, ITEM, USER, SCENE))
        self.until = int(until) if until is not None else int(time.max(initial=0)) + 1
        self.past = Reader(self._profiles, log)
        step = max(1, int(self.step * DAY))
        moments = self.until - (1 + np.arange(self.cuts)) * step
        which = (self.until - 1 - time) // step  # the moment an event follows
        asked = np.flatnonzero(which < self.cuts)
        if not len(time):
            raise BadData(f"{log.name} has no events before T, so there is nothing to learn from; choose a later T, or a log whose events are spread over time.")
        if not len(asked):
            raise BadData(f"{log.name} has no events in the {self.cuts * self.step:g} days before T; raise cuts or step.")
        states = [self._state(time, item, m) for m in moments]
        groups = [np.flatnonzero((which[asked] == k) & (scene[asked] == s)) for k in range(self.cuts) for s in range(log.n_scenes)]
        groups = [g for g in groups if len(g)]
        target = torch.from_numpy(item[asked])
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            self._build(np.unique(scene[asked]))
        self._features, self._known = self._state(time, item, self.until)

        def batches(random: torch.Generator) -> list[tuple[int, int, torch.Tensor]]:
            made = []
            for g in groups:
                mixed = torch.from_numpy(g)[torch.randperm(len(g), generator=random)]
                made += [(which[asked[g[0]]], scene[asked[g[0]]], part) for part in mixed.tensor_split(max(1, round(len(g) / self.batch)))]
            return [made[k] for k in torch.randperm(len(made), generator=random).tolist()]

        def loss(batch: tuple[int, int, torch.Tensor]) -> torch.Tensor:
            k, s, rows = batch
            at = asked[rows.numpy()]  # a tensor of one number would index like a number
            pools = torch.from_numpy(self.past().at(user[at], time[at]))
            return self._loss(pools.to(self.device), target[rows].to(self.device), int(s), *states[k])

        def validate() -> float:
            self._read_things()
            return ndcg10(self, validation, seed=self.seed)

        settings = {"epochs": self.epochs, "lr": self.lr, "weight_decay": self.weight_decay, "no_decay": ("gates.mean", "tower.mean", "log_tau", "beta", "new"), "seed": self.seed}
        settings |= {"validate": validate if validation is not None else None, "show_progress": show_progress}
        questions = [] if validation is None else [validation.pairs[[USER, SCENE]].to_numpy(np.int64).ravel(), *validation.positives]
        settings["facts"] = saving.options(self) | saving.learned_from(self) | {"validation": saving.digest_of(np.concatenate([[], *questions]))}
        self.log_ = train(self.net, batches, loss, **settings | training)
        self._read_things()
        return self

    def _build(self, trained: np.ndarray) -> None:
        """A new net for ``self.log``. ``trained``: codes of the scenes that are asked for in training."""
        self._text = torch.from_numpy(self.vectors).to(self.device)
        scenes, dim = self.log.n_scenes, self.vectors.shape[1]
        tower = self.tower and self.tower(scenes, scenes * len(self.half_lives), dim)
        self.net = Net(self._make_gates(), scenes, dim, len(self.windows), self.log.n_items, self.ids, tower)
        for gates in self.net.modules():
            if isinstance(gates, PairGates):
                gates.trained[:] = torch.isin(torch.arange(scenes), torch.from_numpy(trained))
        self.net.to(self.device)

    def _read_things(self) -> None:
        """h_i of all items, as the net reads them now."""
        with torch.inference_mode():
            self._things = self.net.things(self._text, torch.arange(len(self._text), device=self.device), self._known)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted system into a folder: ``system.json`` and one safetensors file. See :func:`recsys_lib.models.saving.save`."""
        return saving.save(self, folder)

    @classmethod
    def load(cls, folder: str | Path, log: InteractionLog, device: str | None = None) -> SceneFusion:
        """A saved system, ready to score.

        Args:
            log: over the very items it was fitted on. Its events before the moment the system was fitted for make the profiles; its
                people may be others, since nothing learned belongs to one person.

        Raises:
            BadData: another version or kind of system, other items, or a damaged file.
        """
        facts, tensors = saving.read(folder, log, cls.__name__)
        arrays = {name: tensors[name].numpy() for name in saving.ARRAYS if name in tensors}
        try:
            model = cls(**arrays, **facts["options"], device=device)
            model.until, model.log_, model.log = facts["until"], facts["epochs"], log.before(facts["until"])
            model.past = Reader(model._profiles, model.log)
            model._build(np.arange(log.n_scenes))
            model.net.load_state_dict({name.removeprefix("net."): tensor for name, tensor in tensors.items() if name.startswith("net.")})
            model._features, model._known = tensors["features"].to(model.device), tensors["known"].to(model.device)
        except (KeyError, TypeError, RuntimeError) as error:
            raise BadData(f"the system in {folder} does not fit this library ({str(error).splitlines()[-1].strip()}); save it anew.") from error
        model.net.eval()
        model._read_things()
        return model

    def _profiles(self, log: InteractionLog) -> Profiles:
        return Profiles(log, self.vectors, self.half_lives)

    def _make_gates(self) -> nn.Module:
        scenes, dim = self.log.n_scenes, self.vectors.shape[1]
        pools = scenes * len(self.half_lives)
        if self.kind == "text":
            return TextGates(torch.from_numpy(np.asarray(self.descriptions, np.float32)), len(self.half_lives), dim)
        if self.kind == "mean":
            return MeanGate(scenes, pools, dim)
        return PairGates(scenes, pools, dim)

    def _state(self, time: np.ndarray, item: np.ndarray, moment: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What was known of each item strictly before ``moment``: log counts [n_items, windows], and 1 for items that had an event."""
        past, n = time < moment, len(self.vectors)
        counts = np.stack([np.bincount(item[past & (time >= moment - w * DAY)], minlength=n) for w in self.windows], 1)
        known = np.bincount(item[past], minlength=n) > 0
        return torch.from_numpy(np.log1p(counts).astype(np.float32)).to(self.device), torch.from_numpy(known.astype(np.float32)).to(self.device)

    def _loss(self, pools: torch.Tensor, target: torch.Tensor, scene: int, features: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the targets int64 [n] given the pools float [n, pools, d], with sampled negatives."""
        items = self.log.scene_items(scene)
        first, end = int(items[0]), int(items[-1]) + 1
        if self.hide:
            own = slice(scene * len(self.half_lives), (scene + 1) * len(self.half_lives))
            pools = pools.clone()
            pools[torch.rand(len(pools), device=pools.device) < self.hide, own] = 0
        chance = torch.exp(0.5 * features[first:end].mean(1)) + 0.3
        drawn = torch.multinomial(chance, self.negatives, replacement=True) + first
        codes = torch.cat([target, drawn])
        h = self.net.things(self._text[codes], codes, known[codes], self.id_drop)
        prior = self.net.prior(features[codes], known[codes], scene)
        n, person = len(target), self.net.person(pools, scene)
        own = (person * h[:n]).sum(1) + prior[:n]
        rest = person @ h[n:].T + (prior[n:] - self._correction(self.negatives * chance[drawn - first] / chance.sum()))
        rest = rest.masked_fill(drawn == target[:, None], -torch.inf)
        return (torch.logaddexp(own, rest.logsumexp(1)) - own).mean()

    def _correction(self, expected: torch.Tensor) -> torch.Tensor:
        """What is taken off the scores of the drawn items: the log of how often each is expected among the negatives, float [negatives]."""
        return torch.log(expected)

    def score(self, users: np.ndarray, scene: int, history: InteractionLog | None = None) -> np.ndarray:
        """Scores of all items of a scene: float32 [len(users), items in scene].

        Args:
            users: int codes of people of the fitted log, or of ``history`` where it is given.
            scene: code of the scene.
            history: a log over the same items whose events make the profiles instead of the fitted ones.
        """
        users = check_codes(users, self.log, history)
        items, scene = self.log.scene_items(scene), self.log.scene_code(scene)
        here = slice(int(items[0]), int(items[-1]) + 1) if len(items) else slice(0, 0)
        with torch.inference_mode():
            person = self.net.person(torch.from_numpy(self.past(history).at(users, None)).to(self.device), scene)
            return (person @ self._things[here].T + self.net.prior(self._features[here], self._known[here], scene)).cpu().numpy()


def _number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, Real) and bool(np.isfinite(value))


def describe_scenes(log: InteractionLog) -> list[str]:
    """A text for each scene: its name and, where there is one, its description."""
    texts = log.scenes[DESCRIPTION].fillna("").tolist() if DESCRIPTION in log.scenes else [""] * log.n_scenes
    return [f"{name}. {text.strip()}" if text.strip() else name for name, text in zip(log.scenes[NAME], texts, strict=True)]
