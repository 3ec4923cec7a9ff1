"""R, the list: from scores to the few things a person sees.

``recommend`` takes the best k of what is allowed; ``limit``, ``mmr``, ``calibrate`` and ``explore`` reshape a longer list into the one
that is shown. Nearest-vector search over large catalogues is in :mod:`recsys_lib.ann`, reordering by a decoder in
:mod:`recsys_lib.rerank`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_lib.data.log import CATEGORIES, TITLE, InteractionLog
from recsys_lib.data.splits import hash64
from recsys_lib.errors import BadData
from recsys_lib.metrics import as_float, check_scores

Rule = np.ndarray | Callable[[pd.DataFrame], Any]


def log_of(model: Any) -> InteractionLog:
    """The log a fitted model learned from; of a wrapper (a mix, a reranker), that of the model inside.

    Raises:
        BadData: no log is found; the model is not fitted, or keeps none.
    """
    inside = list(getattr(model, "__dict__", {}).values())
    for value in inside:
        if isinstance(value, InteractionLog):
            return value
    for value in inside:
        if hasattr(value, "score"):
            return log_of(value)
    raise BadData(f"{type(model).__name__} holds no log; fit it first, or give the log of what people did as history.")


def recommend(
    model: Any, users: Sequence[int] | np.ndarray, scene: int | str, k: int = 10, history: InteractionLog | None = None,
    without_seen: bool = True, allow: Rule | None = None,
) -> np.ndarray:  # fmt: skip
    """The best k items of a scene for each person; equal scores come in the order of the contract's hash of the item code.

    Args:
        model: fitted; ``score(users, scene, history) -> float [len(users), items in scene]``.
        users: codes [n]. scene: code or name. k: places.
        history: what people have done, in place of what the model was fitted on; also what counts as seen.
        without_seen: leave out what the person has already.
        allow: which items may be shown: bool [n_items], or a function of the scene's rows of the items table that returns one bool a row
            (``lambda items: items["price"] == "budget"``). A missing value in what it returns counts as not allowed.

    Returns:
        int64 [n, k]: item codes, best first; -1 where nothing more is allowed.

    Raises:
        BadData: k below 1, an unknown user or scene, a rule or scores of a wrong length, a score that is not a number.
    """
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise BadData(f"k is {k}; ask for at least one item, and a whole number of them.")
    log = history if history is not None else log_of(model)
    users, scene = log.user_codes(np.ravel(users)), log.scene_code(scene)
    items = log.scene_items(scene)
    scores = np.array(model.score(users, scene, history))
    check_scores(scores, users, log, scene)
    scores = as_float(scores)
    scores[:, ~allowed(log, items, allow)] = -np.inf
    if without_seen:
        row, item = log.items_of(users)
        here = (item >= items[0]) & (item <= items[-1]) if len(items) else np.zeros(len(item), bool)
        scores[row[here], item[here] - items[:1]] = -np.inf
    return np.stack([first_k(row, items, k) for row in scores]) if len(users) else np.full((0, k), -1)


def first_k(scores: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """The k best of one person's ``scores`` [n], equal ones by hash: int64 [k], item codes, -1 for an empty place. Only what can stand in the list is sorted."""
    best = np.full(k, -1)
    if len(items) == 0:
        return best
    edge = np.partition(scores, -k)[-k] if k < len(items) else -np.inf  # the k-th score; its equals wait in the order of their hash
    found = np.flatnonzero((scores >= edge) & (scores > -np.inf))
    found = items[found[np.lexsort((hash64(items[found]), -scores[found]))[:k]]]
    best[: len(found)] = found
    return best


def allowed(log: InteractionLog, items: np.ndarray, rule: Rule | None) -> np.ndarray:
    """Which of ``items`` a rule lets through: bool [len(items)]. Raises BadData for a rule of another length."""
    if rule is None:
        return np.ones(len(items), bool)
    given = rule(log.items.iloc[items]) if callable(rule) else np.asarray(rule)
    given = given.fillna(False).infer_objects() if isinstance(given, pd.Series) else given
    mask, asked = np.asarray(given), len(items) if callable(rule) else log.n_items
    if mask.shape != (asked,) or mask.dtype != bool:
        raise BadData(f"the rule gave {mask.dtype} of shape {mask.shape}; give one bool for each of {asked} items.")
    return mask if callable(rule) else mask[items]


def limit(lists: np.ndarray, group: np.ndarray, most: int, k: int = 10) -> np.ndarray:
    """The first k of each list of which no group has more than ``most``, in the list's order.

    Args:
        lists: int64 [n, m], item codes, -1 for an empty place; m well above k. group: label of each item [n_items], a category or a maker;
            items with a missing label (NaN, None, '', or code -1) are not limited.

    Returns:
        int64 [n, k], -1 where the list ran out.
    """
    codes = group if np.issubdtype(np.asarray(group).dtype, np.integer) else pd.factorize(pd.Series(group).replace("", None))[0]
    out = np.full((len(lists), k), -1, np.int64)
    for row, to in zip(lists, out, strict=True):
        count: dict[int, int] = {}
        kept = []
        for item in row[row >= 0]:
            code = int(codes[item])
            count[code] = count.get(code, 0) + 1
            if code < 0 or count[code] <= most:
                kept.append(item)
            if len(kept) == k:
                break
        to[: len(kept)] = kept
    return out


def unit_range(scores: np.ndarray) -> np.ndarray:
    """Scores moved to 0 … 1 (all 1 where they are equal), so that a trade-off means the same for every model: float64 [n]."""
    x = np.asarray(scores, np.float64)
    if not np.isfinite(x).all():
        raise BadData(f"candidate {int(np.argmin(np.isfinite(x)))} has the score {x[np.argmin(np.isfinite(x))]}; leave out what may not be shown, and mend the model where it gives nan.")
    width = x.max(initial=-np.inf) - x.min(initial=np.inf)
    return (x - x.min()) / width if width > 0 else np.ones(len(x))


def mmr(scores: np.ndarray, vectors: np.ndarray, k: int = 10, trade: float = 0.7) -> np.ndarray:
    """Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): take next what is good *and* unlike what was taken.

    Each step takes the candidate with the largest ``trade · score - (1 - trade) · (highest cosine to those taken)``, the score moved to 0 … 1
    over the candidates; of equal ones the earlier.

    Args:
        scores: [n] of one person's candidates. vectors: [n, d], what they are about. k: places.
        trade: 1 keeps the order of the scores, 0 looks at difference alone.

    Returns:
        int64 [min(k, n)]: positions among the candidates, in the order of the list.
    """
    if not 0 <= trade <= 1:
        raise BadData(f"trade is {trade}; it must lie between 0 (difference alone) and 1 (score alone).")
    worth = unit_range(scores)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    near, free, taken = np.full(len(worth), -1.0), np.ones(len(worth), bool), []
    for _ in range(min(k, len(worth))):
        gain = trade * worth - (1 - trade) * (near if taken else 0)
        best = int(np.argmax(np.where(free, gain, -np.inf)))
        taken.append(best)
        free[best] = False
        near = np.maximum(near, unit @ unit[best])
    return np.array(taken, np.int64)


def miscalibration(wanted: np.ndarray, got: np.ndarray, smooth: float = 0.01) -> float:
    """KL divergence of the shares ``got`` by a list from the ``wanted`` ones, with got smoothed by ``smooth · wanted`` (Steck, RecSys 2018); 0 is perfect."""
    mixed, some = (1 - smooth) * got + smooth * wanted, wanted > 0
    return float((wanted[some] * np.log(wanted[some] / mixed[some])).sum())


def calibrate(scores: np.ndarray, shares: np.ndarray, wanted: np.ndarray, k: int = 10, trade: float = 0.5, smooth: float = 0.01) -> np.ndarray:
    """Calibrated list (Steck, RecSys 2018): its categories come in the shares in which the person's past had them.

    Greedy: each step takes the candidate with the largest ``trade · (mean score so far) - (1 - trade) · miscalibration``; scores moved to 0 … 1.

    Args:
        scores: [n] of the candidates. shares: [n, categories], each row sums to 1 (or 0: no category). wanted: [categories], sums to 1.
        k: places. trade: 1 looks at scores alone, 0 at shares alone. smooth: as in :func:`miscalibration`.

    Returns:
        int64 [min(k, n)]: positions among the candidates.
    """
    if not 0 <= trade <= 1:
        raise BadData(f"trade is {trade}; it must lie between 0 (shares alone) and 1 (scores alone).")
    if not 0 < smooth <= 1:
        raise BadData(f"smooth is {smooth}; it must be above 0, or a category that the list lacks would cost without end, and at most 1.")
    worth, free, taken = unit_range(scores), np.ones(len(scores), bool), []
    total, some = np.zeros(shares.shape[1]), wanted > 0
    for step in range(1, min(k, len(worth)) + 1):
        got = (total + shares) / step
        gap = (wanted[some] * np.log(wanted[some] / ((1 - smooth) * got[:, some] + smooth * wanted[some]))).sum(1)
        gain = trade * (worth[taken].sum() + worth) / step - (1 - trade) * gap
        best = int(np.argmax(np.where(free, gain, -np.inf)))
        taken.append(best)
        free[best] = False
        total += shares[best]
    return np.array(taken, np.int64)


def explore(
    lists: np.ndarray, users: np.ndarray, pool: np.ndarray, places: Sequence[int] = (4, 9), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Give fixed places of each list to items drawn from a pool, and say with which probability each item had to stand there.

    The draw is uniform without replacement and follows from (seed, user, item) alone: the same visit shows the same list.
    What stood in the list moves down around the explored items; its end drops out.

    Args:
        lists: int64 [n, k], -1 for an empty place. users: codes [n]. pool: item codes to draw from, for all [m] or for each person [n, m], -1
            for none. places: 0-based, ascending, below k. seed: of the draw; a new one (a day's number) draws anew.

    Returns:
        lists int64 [n, k], and propensity float64 [n, k]: 1 for what was sure to be shown, places / pool for an explored item, nan for an
        empty place. Where the pool is too small for all places, the later ones keep what was there.
    """
    n, k = lists.shape
    if any(not 0 <= p < k for p in places) or list(places) != sorted(set(places)):
        raise BadData(f"places are {tuple(places)}; give ascending places from 0 to {k - 1}.")
    pools = np.broadcast_to(pool, (n, np.shape(pool)[-1]))
    out, chance = np.full((n, k), -1, np.int64), np.full((n, k), np.nan)
    for row, user, some, to, p in zip(lists, np.asarray(users, np.int64), pools, out, chance, strict=True):
        room = min(len(places), k)
        some = np.unique(some[(some >= 0) & ~np.isin(some, row[: k - room])])
        drawn = some[np.argsort(hash64(np.full(len(some), seed), user, some), kind="stable")][:room]
        at = np.zeros(k, bool)
        at[list(places[: len(drawn)])] = True
        rest = row[(row >= 0) & ~np.isin(row, drawn)][: k - len(drawn)]
        free = np.flatnonzero(~at)[: len(rest)]
        to[at], to[free] = drawn, rest
        p[at], p[free] = len(drawn) / max(1, len(some)), 1.0
    return out, chance


def as_text(log: InteractionLog, items: Sequence[int] | np.ndarray, notes: Sequence[str] | None = None, width: int = 70) -> str:
    """A list as a person reads it: one numbered line an item, with its title, its category if it has one, and a note.

    Args:
        log: whose items. items: codes, best first; -1 is passed over. notes: one short remark an item ("new"). width: titles are cut here.
    """
    lines = []
    for place, item in enumerate(items):
        if item < 0:
            continue
        row = log.items.iloc[int(item)]
        title = " ".join(row[TITLE].split() if isinstance(row[TITLE], str) else []) or f"(item {int(item)}, no title)"
        title = title if len(title) <= width else title[: width - 1].rstrip() + "…"
        kind = row.get(CATEGORIES)
        kind = str(kind[-1]) if isinstance(kind, (list, tuple, np.ndarray)) and len(kind) else kind if isinstance(kind, str) else ""
        extra = ", ".join(part for part in (kind, notes[place] if notes is not None else "") if part)
        lines.append(f"{len(lines) + 1}. {title}" + (f" ({extra})" if extra else ""))
    return "\n".join(lines) or f"Nothing to show from {log.name}."
