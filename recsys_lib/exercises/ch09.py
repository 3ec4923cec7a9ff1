"""Checks of chapter 09, across scenes."""

from __future__ import annotations

import numpy as np

from recsys_lib.exercises import exercise


@exercise("09-1")
def negative(answer):
    """The cells of a transfer matrix that show negative transfer beyond doubt."""
    names = ["shop", "songs", "trips"]
    low = np.array([[np.nan, 0.01, -0.04], [-0.03, np.nan, -0.02], [-0.05, -0.01, np.nan]])
    high = np.array([[np.nan, 0.03, -0.01], [-0.02, np.nan, 0.04], [0.02, 0.00, np.nan]])
    got = answer(names, low.copy(), high.copy())
    pairs = sorted((str(a), str(b)) for a, b in got)
    right = [("shop", "trips"), ("songs", "shop")]
    if pairs == right:
        return None
    if pairs == sorted((b, a) for a, b in right):
        return "source and target are exchanged: a row is the source, a column the target."
    if ("trips", "songs") in pairs and len(pairs) == 3:
        return "trips to songs has an interval that ends at exactly zero; negative transfer is beyond doubt only where the whole interval lies below zero."
    if ("songs", "trips") in pairs or ("trips", "shop") in pairs:
        return "a cell whose interval holds zero was taken: a mean or a lower end below zero is not enough, the upper end must be below it."
    if ("shop", "songs") in pairs:
        return "shop to songs has an interval above zero, which is a gain."
    return f"{len(pairs)} pairs came back; list the names of each (source, target) whose whole interval lies below zero, and no scene with itself."


def _events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    user = np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 2, 4])  # person 4 never comes to scene 1
    scene = np.array([0, 1, 1, 2, 0, 0, 1, 2, 2, 1, 0])
    time = np.array([1, 2, 3, 4, 5, 9, 9, 10, 11, 12, 6])
    return user, scene, time


@exercise("09-2")
def opening_day(answer):
    """Which events may be learned from before a scene opens."""
    user, scene, time = _events()
    got = np.asarray(answer(user.copy(), scene.copy(), time.copy(), 1, 9))
    if got.shape != (11,) or got.dtype != bool:
        return f"the result has shape {got.shape} and type {got.dtype}; one True or False an event, (11,), was asked for."
    right = (scene != 1) & (time < 9)
    if (got == right).all():
        return None
    if (got == (scene != 1)).all():
        return "events of the other scenes from T on are kept, so what people did elsewhere *after* the opening leaks into training."
    if (got == ~((scene == 1) & (time >= 9))).all() or (got == (time < 9)).all():
        return "the new scene's own events from before T are kept; on opening day it has none."
    if (got == ((scene != 1) & (time <= 9))).all():
        return "an event at exactly T is kept; the past is strictly earlier than T."
    gone = np.isin(user, user[scene == 1])
    if (got == (right & ~gone)).all():
        return "all events of the scene's visitors were removed, and with them everything that could be known of them; take out the scene's events, keep its people's others."
    if (got == (right & gone)).all():
        return "only the people who ever come to the new scene were kept, and nobody knows on the evening before who will; keep everybody's earlier events elsewhere."
    return "keep an event if it is strictly earlier than T and lies in another scene, and for no other reason."


@exercise("09-3")
def takes_over(answer):
    """The number of events at which one curve overtakes another for good."""

    def got(a, b, first=0):
        return answer(np.array([first, 9, 99, 999, 9999]), np.array(a), np.array(b))

    clear = got([0.2, 0.2, 0.2, 0.2, 0.2], [0.0, 0.1, 0.5, 0.5, 0.6])
    if not np.isfinite(clear):
        return "where the second curve ends ahead there is a crossing, and none was found."
    never = got([0.5, 0.5, 0.5, 0.5, 0.5], [0.1, 0.2, 0.6, 0.4, 0.3])
    if never is None or not np.isinf(never):
        return f"a curve that is behind at the end never takes over for good, and your answer was {never}; return float('inf')."
    if np.isclose(clear, 9 + 90 / 4):
        return "the crossing was interpolated along n; between 9 and 99 events curves are straight, if anywhere, along log(1 + n)."
    if clear in (9, 99):
        return f"you return the measured point {clear}; the curves cross between 9 and 99, so interpolate."
    if np.isclose(clear, 10**1.5 - 1):
        return "you return the middle between 9 and 99 along log(1 + n), whatever the gaps are; with -.1 at 9 and +.3 at 99 the crossing lies nearer to 9, where the gap is zero."
    if np.isclose(clear, 10**1.75 - 1):
        return "the weight is turned round: with gaps of -.1 at 9 and +.3 at 99 the crossing is nearer to 9, where the gap is smaller."
    if not np.isclose(clear, 10**1.25 - 1):
        return f"for gaps of -.1 at 9 and +.3 at 99 the crossing lies a quarter of the way along log(1 + n), and {clear:.4g} does not."
    twice = got([0.2, 0.2, 0.2, 0.2, 0.2], [0.0, 0.3, 0.1, 0.1, 0.3])
    if twice is not None and twice < 99:
        return "the second curve is ahead at 9 events and behind again at 99; *for good* means that it never falls back, so look for the last crossing."
    if twice is None or not np.isclose(twice, 10**3.5 - 1):
        return "with two crossings the last one counts, half way between 999 and 9999 along log(1 + n)."
    always = got([0.1] * 5, [0.2] * 5, first=5)
    if always is None or not np.isclose(always, 5):
        return f"a curve that is ahead from the first point took over at that point, here shots[0] = 5, and your answer was {always}."
    equal = got([0.1] * 5, [0.1] * 5)
    if equal is None or not np.isinf(equal):
        return f"of two equal curves none is ahead, so nothing takes over, and your answer was {equal}; return float('inf')."
    tie = got([0.2] * 5, [0.3, 0.2, 0.3, 0.3, 0.3])
    if tie is None or not np.isclose(tie, 9):
        return f"where the curves meet at 9 events `b` is not ahead, so it takes over from there, at 9, and your answer was {tie}."
    return None


@exercise("09-4")
def consistent(answer):
    """Agreement of people with themselves, beyond that of any two people."""
    rng = np.random.default_rng(0)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rng.normal(size=(6, 4)) + 1, rng.normal(size=(6, 4)) + 1))
    cos = a @ b.T
    right = np.trace(cos) / 6 - (cos.sum() - np.trace(cos)) / 30
    got = float(answer(a.copy(), b.copy()))
    if abs(got - right) < 1e-6:
        same = np.tile(a[:1], (6, 1))
        if not abs(float(answer(same, same.copy()))) < 1e-6:
            return "where everybody gets one and the same list, the measure should be exactly zero."
        return None
    if abs(got - np.trace(cos) / 6) < 1e-6:
        return "this is the plain agreement: a list of bestsellers, the same for all, would come out as perfectly consistent, so subtract that of different people."
    if abs(got - (np.trace(cos) / 6 - cos.mean())) < 1e-6:
        return "the mean over *different* people still holds everyone with themselves; leave the diagonal out."
    if abs(got - (np.trace(cos) / 6 - (np.triu(cos, 1).sum() / 15))) < 1e-6:
        return "only one triangle was averaged; person 1 here against person 2 there is not person 2 here against person 1 there."
    return "subtract from the mean cosine of each person with themselves the mean cosine over all ordered pairs of different people."


def _among(x: np.ndarray, scene: np.ndarray, k: int, itself: bool = True, mixed: bool = False, length: bool = True) -> np.ndarray:
    out = np.zeros_like(x)
    for s in np.unique(scene):
        rows = np.arange(len(x)) if mixed else np.flatnonzero(scene == s)
        cos = x[rows] @ x[rows].T - (0 if itself else 9 * np.eye(len(rows)))
        mean = x[rows][np.argsort(-cos, 1)[:, :k]].mean(1)
        out[rows] = mean / np.linalg.norm(mean, axis=1, keepdims=True) if length else mean
    return out


@exercise("09-5")
def among(answer):
    """Items read with their nearest of the same scene."""
    rng = np.random.default_rng(3)
    x, scene = rng.normal(size=(11, 3)), np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 2])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    got = np.asarray(answer(x.copy(), scene.copy(), 3), float)
    if got.shape != (11, 3):
        return f"the result has shape {got.shape}; one vector an item, (11, 3), was asked for."
    if np.allclose(got, _among(x, scene, 3), atol=1e-5):
        two = np.asarray(answer(x.copy(), scene.copy(), 2), float)
        return None if np.allclose(two, _among(x, scene, 2), atol=1e-5) else "with k = 3 all is right, and with k = 2 it is not; take as many as `k` says."
    if np.allclose(got, _among(x, scene, 3, mixed=True)):
        return "neighbours of other scenes were taken; the catalogue of the item's own scene is meant, whatever lies nearer elsewhere."
    if np.allclose(got, _among(x, scene, 3, length=False)):
        return "these are the means; scale each to length 1, or an item with near neighbours would count more than one without."
    if np.allclose(got[:9], _among(x, scene, 3, itself=False)[:9]) or np.allclose(got[:9], _among(x, scene, 2, itself=False)[:9]):
        return "the item itself was left out of its k nearest; it is one of them."
    if np.allclose(got[:9], _among(x, scene, 3)[:9]):
        return "in a scene with fewer than k items all of them should be taken."
    return "each row should be the direction of the mean of the k nearest rows of its scene, by cosine, all taken from the vectors as given."
