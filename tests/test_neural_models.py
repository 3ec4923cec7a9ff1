"""Text-kNN, BPR-MF and SASRec on small planted worlds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from recsys_lib.data.log import DAY, InteractionLog
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.models.bpr import BPRMF
from recsys_lib.models.full_softmax import full_softmax
from recsys_lib.models.histories import Histories
from recsys_lib.models.sasrec import Block, Dropout, Net, SASRec
from recsys_lib.models.textknn import TextKNN
from recsys_lib.models.validation import ndcg10


def make_log(rows: list[tuple[int, int, int]], sizes: tuple[int, ...] = (30,), n_users: int | None = None, time_kind: str = "day") -> InteractionLog:
    """rows of (user, item, time); ``sizes``: items in each scene."""
    scene = np.repeat(np.arange(len(sizes)), sizes).astype(np.int16)
    user, item, when = (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, np.int64),) * 3
    events = pd.DataFrame({"user": user.astype(np.int32), "item": item.astype(np.int32), "scene": scene[item], "time": when})
    return InteractionLog(
        users=pd.DataFrame(index=range(n_users if n_users is not None else int(user.max()) + 1)),
        items=pd.DataFrame({"scene": scene, "title": [f"item {k}" for k in range(len(scene))]}),
        scenes=pd.DataFrame({"name": [f"s{k}" for k in range(len(sizes))], "description": ""}),
        events=events.sort_values(["time", "user", "item"], ignore_index=True), time_kind=time_kind, name="planted",
    )  # fmt: skip


# ---- text-kNN ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def random_log():
    random = np.random.default_rng(1)
    pairs = np.unique(np.stack([random.integers(0, 40, 400), random.integers(0, 50, 400)], 1), axis=0)
    return make_log([(u, i, int(d) * DAY) for (u, i), d in zip(pairs, random.integers(1, 200, len(pairs)), strict=True)], (30, 20), n_users=42)


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_textknn_equals_the_reference(random_log, weight):
    raw, until = np.random.default_rng(2).normal(size=(50, 16)), 150 * DAY
    train = random_log.before(until)
    # the reference protocol, step by step
    vectors = np.stack([row / (np.linalg.norm(row) + 1e-9) for row in raw])
    profile = train.matrix().astype(float) @ vectors
    profile /= np.linalg.norm(profile, axis=1, keepdims=True) + 1e-9
    recent = np.bincount(train.events.item[train.events.time >= until - 60 * DAY], minlength=50)
    expected = profile @ vectors.T + weight * np.log1p(recent)
    users = np.array([41, 3, 3, 0, 17])
    for dtype, tolerance in ((np.float32, 1e-6), (np.float64, 1e-12)):
        model = TextKNN(raw, popularity=weight, dtype=dtype).fit(random_log, until)
        got = np.concatenate([model.score(users, 0), model.score(users, 1)], axis=1)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected[users], atol=tolerance)
    if not weight:
        assert (got[0] == 0).all()  # nobody knows person 41


def test_textknn_options():
    raw = np.array([[1, 0.2, 0], [0.2, 1, 0], [1, 0, 0.1], [0, 1, 0.1]])
    log = make_log([(0, 0, 0), (0, 1, 100 * DAY), (1, 0, 0)], (2, 2))
    even, recent = TextKNN(raw).fit(log).score([0], 1)[0], TextKNN(raw, half_life=10).fit(log).score([0], 1)[0]
    assert abs(even[0] - even[1]) < 1e-6 and recent[1] > recent[0] + 0.5  # the newer event decides
    assert TextKNN(raw, half_life=0.01).fit(log).score([1], 1)[0].argmax() == 0  # an old history alone is still a history
    shifted = raw + np.array([[0, 0, 5], [0, 0, 5], [0, 0, -5], [0, 0, -5]])  # boilerplate of the scenes drowns the taste
    gap = [np.ptp(TextKNN(shifted, center=how).fit(log).score([1], 1)) for how in ("none", "scene")]
    assert gap[1] > 1 > 0.2 > gap[0]
    assert TextKNN(raw).fit(log).score([0], 1, history=make_log([(0, 1, 5)], (2, 2)))[0].argmax() == 1
    assert TextKNN(encoder=lambda texts: raw[: len(texts)]).fit(log).score([1], 1)[0].argmax() == 0


def test_textknn_bad_input(random_log):
    raw = np.ones((50, 4))
    TextKNN(raw.tolist()).fit(random_log)
    with pytest.raises(BadData, match="one row"):
        TextKNN(raw[:49]).fit(random_log)
    with pytest.raises(BadData, match="finite"):
        TextKNN(raw * np.nan).fit(random_log)
    with pytest.raises(BadData, match="half_life"):
        TextKNN(raw, half_life=30).fit(make_log([(0, 0, 0)], (50,), time_kind="order"))


@pytest.mark.parametrize("model", [TextKNN(np.ones((50, 4))), BPRMF(4, epochs=1), SASRec(8, epochs=1)], ids=lambda m: type(m).__name__)
def test_unknown_people_scenes_and_catalogues(model, random_log):
    model.fit(random_log)
    assert model.score(np.array([0, 41]), 1).shape == (2, 20) and model.score(np.array([], int), 0).shape == (0, 30)
    assert model.score(np.array([0]), 0).dtype == np.float32
    with pytest.raises(BadData, match="user code 42 is unknown"):
        model.score(np.array([0, 42]), 0)
    with pytest.raises(BadData, match="no scene 2"):
        model.score(np.array([0]), 2)
    with pytest.raises(BadData, match="one item table"):
        model.score(np.array([0]), 0, history=make_log([(0, 0, 0)], (10,)))


# ---- BPR-MF ------------------------------------------------------------------------------------------------------------------


def blocks_log(seed: int = 0) -> tuple[InteractionLog, list[np.ndarray]]:
    """60 people in 3 groups; each group has 10 items in each of two scenes and chose 6 of its 10. Returns the log and what is left."""
    random, rows, left = np.random.default_rng(seed), [], []
    for user in range(60):
        for scene in range(2):
            mine = 30 * scene + 10 * (user % 3) + random.permutation(10)
            rows += [(user, int(i), int(t)) for t, i in enumerate(mine[:6])]
            left += [mine[6:]]
    return make_log(rows, (30, 30), n_users=61), left


def test_bpr_finds_planted_blocks():
    log, left = blocks_log()
    model = BPRMF(8, epochs=40, batch=64, seed=3).fit(log)
    split = SimpleNamespace(train=log, pairs=pd.DataFrame({"user": np.repeat(np.arange(60), 2), "scene": np.tile([0, 1], 60)}), positives=left)
    assert ndcg10(model, split) > 0.8
    random = SimpleNamespace(score=lambda users, scene: np.random.default_rng(0).random((len(users), 30)))
    assert ndcg10(random, split) < 0.35
    assert model.losses[-1] < 0.3 * model.losses[0]
    np.testing.assert_array_equal(model.score([60], 0)[0], model.bias[:30])  # nobody knows person 60
    np.testing.assert_array_equal(model.score([0], 1, history=log)[0], model.bias[30:])
    np.testing.assert_array_equal(BPRMF(8, epochs=40, batch=64, seed=3).fit(log).things, model.things)
    assert not np.array_equal(BPRMF(8, epochs=40, batch=64, seed=4).fit(log).things, model.things)


@pytest.mark.parametrize("settings", [{}, {"reg": 0.1}, {"reg": 0.0}], ids=str)
@pytest.mark.parametrize(("people", "items"), [(500, 5), (3, 300)])
def test_bpr_learns_where_a_batch_is_full_of_one_item_or_one_person(people, items, settings):
    random = np.random.default_rng(0)
    rows = [(user, int(i), t) for user in range(people) for t, i in enumerate(random.permutation(items)[: max(3, items // 3)])]
    losses = BPRMF(**settings).fit(make_log(rows, (items,), n_users=people)).losses
    assert max(losses) < 10 and losses[-1] < 0.5 * np.log(2)


def test_bpr_takes_smaller_steps_to_the_end(monkeypatch):
    steps, add = [], torch.Tensor.index_add_

    def watched(self, *given, alpha):
        steps.append(alpha)
        return add(self, *given, alpha=alpha)

    monkeypatch.setattr(torch.Tensor, "index_add_", watched)
    BPRMF(4, lr=0.1, epochs=4, batch=10_000).fit(blocks_log()[0])
    assert sorted(set(steps), reverse=True) == pytest.approx([0.1, 0.075, 0.05, 0.025]) and steps == sorted(steps, reverse=True)


def test_bpr_negatives_are_of_the_same_scene_and_not_chosen():
    log, _ = blocks_log()
    user, item = (torch.tensor(log.events[c].to_numpy(np.int64)) for c in ("user", "item"))
    taken = torch.sort(user * 60 + item).values
    first = (item // 30) * 30
    hits = []
    for seed in range(20):
        other = BPRMF._negatives(user, first, torch.full_like(first, 30), taken, 60, torch.Generator().manual_seed(seed))
        assert (other // 30 == item // 30).all()
        hits.append(float(torch.isin(user * 60 + other, taken).float().mean()))
    assert np.mean(hits) < 0.001  # .2 of the first draws hit; six in a row hardly ever do


def test_bpr_that_explodes_says_when_and_why():
    with pytest.raises(RecsysError, match="epoch .* lr=10000.0 is probably too large"):
        BPRMF(8, lr=1e4, reg=1.0, epochs=30).fit(blocks_log()[0])
    with pytest.raises(BadData, match="no events"):
        BPRMF().fit(blocks_log()[0], until=-5)


# ---- SASRec ------------------------------------------------------------------------------------------------------------------


def chain_log(n_users: int = 150, n_items: int = 30) -> InteractionLog:
    """Item k is always followed by item (k + 11) mod n_items; people start anywhere and have 3 to 8 events."""
    random = np.random.default_rng(0)
    starts, steps = random.integers(n_items, size=n_users), random.integers(3, 9, size=n_users)
    return make_log([(u, int(starts[u] + 11 * t) % n_items, t * DAY) for u in range(n_users) for t in range(steps[u])], (n_items,), n_users)


@pytest.mark.parametrize("loss", ["softmax", "sampled"])
def test_sasrec_learns_a_planted_transition(loss):
    log = chain_log()
    last = log.events.groupby("user").time.max()
    train = log.with_events(log.events[log.events.time < log.events.user.map(last)])
    truth = log.events[log.events.time == log.events.user.map(last)].set_index("user").item
    model = SASRec(32, blocks=1, loss=loss, negatives=20, epochs=30, lr=5e-3, dropout=0.1, batch=32, seed=1).fit(train)
    users = truth.index.to_numpy()
    assert (model.score(users, 0).argmax(1) == truth[users].to_numpy()).mean() > 0.8
    # the same for people it has never seen, through their history
    strangers = make_log([(0, 4, 0), (1, 11, 0), (2, 25, 0)], (30,))
    assert model.score(np.arange(3), 0, history=strangers).argmax(1).tolist() == [(k + 11) % 30 for k in (4, 11, 25)]


def test_sasrec_passes_over_people_whose_last_events_share_one_time():
    rows = [(u, i, i) for u in range(8) for i in (0, 1)] + [(8, i, int(i > 0)) for i in range(9)]  # of the last person a batch reads one day only
    SASRec(4, blocks=1, max_len=4, batch=8, epochs=1).fit(make_log(rows))


def test_sasrec_refuses_a_validation_without_questions():
    empty = SimpleNamespace(train=chain_log(), pairs=pd.DataFrame({"user": [], "scene": []}, dtype=int), positives=[])
    with pytest.raises(BadData, match="no questions"):
        SASRec(4, blocks=1, epochs=1).fit(chain_log(), validation=empty)


@pytest.mark.parametrize("as_coded", [False, True])
def test_a_block_is_the_papers_formula_or_the_authors_code(as_coded):
    torch.manual_seed(0)
    block = Block(8, 2, 0.0, as_coded).eval()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    theirs.load_state_dict({"in_proj_weight": block.qkv.weight, "in_proj_bias": block.qkv.bias, "out_proj.weight": block.out.weight, "out_proj.bias": block.out.bias})
    x, earlier = torch.randn(3, 5, 8), torch.tril(torch.ones(5, 5, dtype=torch.bool))
    normed = block.norm1(x)
    read, kept = (x, normed) if as_coded else (normed, x)
    y = kept + theirs(normed, read, read, attn_mask=~earlier)[0]
    normed = block.norm2(y)
    torch.testing.assert_close(block(x, earlier[None, None]), (normed if as_coded else y) + block.feed(normed))


def test_a_step_that_decays_is_whole_at_first_and_shrinks():
    def learned(**setting):
        return SASRec(8, blocks=1, dropout=0.0, batch=32, **setting).fit(chain_log()).net.item.weight

    assert torch.equal(learned(epochs=1, decay=True), learned(epochs=1))
    first, one, two = (learned(epochs=n, decay=d) for n, d in ((1, False), (2, False), (2, True)))
    assert 0 < (two - first).norm() < (one - first).norm()


def test_sasrec_equal_times_never_see_each_other():
    """Change one event: states of its own step change only through itself, states of earlier steps not at all."""
    torch.manual_seed(0)
    net = Net(20, 16, blocks=2, heads=2, max_len=10, dropout=0.0).eval()
    with torch.no_grad():
        for parameter in net.parameters():  # large weights: whatever leaks shows
            parameter.add_(torch.randn_like(parameter) * 0.3)
    step = torch.tensor([[0, 1, 1, 1, 2]])
    seen = []
    hook = net.norm.register_forward_hook(lambda module, inputs, output: seen.append(output[0].detach()))
    with torch.inference_mode():
        net(torch.tensor([[3, 5, 7, 9, 2]]), step, step.amax(1))
        net(torch.tensor([[3, 5, 8, 9, 2]]), step, step.amax(1))  # the middle one of three equal times is another item
    hook.remove()
    same = torch.isclose(seen[0], seen[1], atol=1e-6).all(1).tolist()
    assert same == [True, True, False, True, False]


def test_sasrec_order_within_a_time_and_the_future_do_not_count():
    rows = [(0, 1, 0), (0, 2, DAY), (0, 9, DAY), (0, 4, 2 * DAY), (1, 3, 0), (1, 5, DAY)]
    model = SASRec(16, heads=2, epochs=2).fit(make_log(rows, (12, 3)))
    history = make_log(rows, (12, 3))
    swapped = history.with_events(history.events.sort_values(["time", "user", "item"], ascending=[True, True, False]))
    np.testing.assert_array_equal(model.score([0], 0), model.score([0], 0, history=swapped))
    short = make_log(rows[:3], (12, 3))
    full = make_log(rows[:3] + [(0, 4, 2 * DAY)], (12, 3))
    assert not np.allclose(model.score([0], 0, history=short), model.score([0], 0, history=full))  # but a later event does
    again = SASRec(16, heads=2, epochs=2).fit(make_log(rows, (12, 3)), until=3 * DAY)
    np.testing.assert_array_equal(again.score([0, 1], 1), model.score([0, 1], 1))  # the seed decides everything
    torch.manual_seed(5)
    draw = torch.rand(1)
    torch.manual_seed(5)
    SASRec(16, epochs=1).fit(make_log(rows, (12, 3)))
    assert torch.rand(1) == draw  # and the caller's random numbers stay theirs


def test_sasrec_trains_on_each_event_of_the_next_step_once():
    log = make_log([(0, 1, 0), (0, 2, DAY), (0, 9, DAY), (0, 4, 2 * DAY), (1, 3, 7)], (12,))
    seen = []
    model = SASRec(8, epochs=1)
    plain = model._loss
    model._loss = lambda state, target: (seen.append((state.detach().clone(), target.tolist())), plain(state, target))[1]
    model.fit(log)
    ((state, target),) = seen
    assert target == [2, 9, 4]
    assert torch.equal(state[0], state[1]) and not torch.equal(state[1], state[2])


def test_sasrec_long_histories_and_none():
    log = make_log([(0, i, i * DAY) for i in range(25)] + [(1, 3, 0), (1, 4, DAY)], (25,), n_users=3)
    model = SASRec(8, max_len=5, epochs=1).fit(log)
    late = log.with_events(log.events[log.events.time >= 20 * DAY])
    np.testing.assert_allclose(model.score([0], 0), model.score([0], 0, history=late), atol=1e-6)  # only the last five count
    np.testing.assert_allclose(model.score([2], 0)[0], model.net.bias.detach().numpy())  # no history: the bias
    assert model.score([0], 0, history=make_log([], (25,), n_users=1)).shape == (1, 25)
    item, step = Histories.of(log).batch(np.array([1, 2, 0]), 3, 25)
    assert item.tolist() == [[3, 4, 25], [25, 25, 25], [22, 23, 24]] and step.tolist() == [[0, 1, -1], [-1, -1, -1], [0, 1, 2]]


def test_sampled_softmax_estimates_the_full_one():
    torch.manual_seed(0)
    log = chain_log(40)
    model = SASRec(16, loss="softmax", epochs=1).fit(log)
    state, target = torch.randn(50, 16), torch.randint(0, 30, (50,))
    model.net.item.weight.data.normal_()
    full = model._loss(state, target).item()
    model.loss, model.negatives = "sampled", 20_000
    assert abs(model._loss(state, target).item() - full) < 0.03
    model._draw = torch.rand(30).double() + 0.1  # whatever they are drawn from
    assert abs(model._loss(state, target).item() - full) < 0.03


def test_sampled_softmax_draws_by_the_count_of_each_item():
    log = make_log([(0, 1, 0), (0, 2, DAY), (1, 1, 0), (1, 0, DAY)], (5,))
    model = SASRec(8, loss="sampled", alpha=1.0, epochs=1).fit(log)
    assert model._draw.tolist() == [2, 3, 2, 1, 1]  # one more than the events of each item


def test_sasrec_stops_early_and_keeps_the_best():
    log = chain_log()
    last = log.events.groupby("user").time.max()
    train = log.with_events(log.events[log.events.time < log.events.user.map(last)])
    truth = log.events[log.events.time == log.events.user.map(last)]
    split = SimpleNamespace(train=train, pairs=truth[["user", "scene"]].reset_index(drop=True), positives=[np.array([i]) for i in truth.item])
    model = SASRec(16, blocks=1, epochs=60, lr=2e-2, batch=32, patience=2).fit(train, validation=split)
    figures = [fact["ndcg10"] for fact in model.epochs_log]
    assert len(figures) < 60 and model.best_epoch == int(np.argmax(figures)) + 1
    assert abs(ndcg10(model, split) - max(figures)) < 1e-6


def test_sasrec_bad_input():
    with pytest.raises(RecsysError, match=r"step \d+ of epoch \d+; lr=1e\+30"):
        SASRec(8, lr=1e30, epochs=20).fit(chain_log(30))
    with pytest.raises(BadData, match="two different times"):
        SASRec().fit(make_log([(0, 1, 0), (0, 2, 0)], (12,), time_kind="none"))
    with pytest.raises(BadData, match="multiple of heads"):
        SASRec(dim=9, heads=2)
    assert torch.isfinite(Dropout(0.999)(torch.ones(9))).all()
    with pytest.raises(BadData, match="softmax"):
        SASRec(loss="bce")


@pytest.mark.parametrize(("n", "rows"), [(1, 128), (10, 4), (8, 8), (7, 100)])
def test_full_softmax_is_cross_entropy_whatever_fits_in_a_slice(n, rows):
    """Value and all three gradients, with a last slice that is not full."""
    torch.manual_seed(0)
    state, weight, bias, target = torch.randn(n, 5), torch.randn(11, 5), torch.randn(11), torch.randint(0, 11, (n,))
    grown = []
    for loss in (lambda h, w, b: full_softmax(h, w, b, target, rows), lambda h, w, b: F.cross_entropy(torch.addmm(b, h, w.T), target, reduction="sum")):
        parts = [x.clone().requires_grad_() for x in (state, weight, bias)]
        value = loss(*parts)
        (3 * value).backward()
        grown.append([value.detach(), *(x.grad for x in parts)])
    for ours, theirs in zip(*grown, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_full_softmax_survives_huge_logits():
    loss = full_softmax(torch.tensor([[1e4]]), torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([1]))
    assert loss.item() == pytest.approx(2e4)


def test_full_softmax_under_autocast_is_near_and_gives_float32_gradients():
    torch.manual_seed(0)
    state, weight, bias, target = torch.randn(300, 32), torch.randn(50, 32) / 4, torch.randn(50), torch.randint(0, 50, (300,))
    found = []
    for amp in (False, True):
        leaves = [x.clone().requires_grad_() for x in (state, weight, bias)]
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            loss = full_softmax(*leaves, target, rows=64)
        loss.backward()
        found.append([loss.detach(), *(x.grad for x in leaves)])
    for exact, near in zip(*found, strict=True):
        assert near.dtype == torch.float32 and not torch.equal(exact, near)
        assert (exact - near).norm() < 0.01 * exact.norm()


def test_a_mask_of_random_bytes_keeps_the_share_and_the_mean():
    torch.manual_seed(0)
    drop, x = Dropout(0.3), torch.ones(1000, 999, requires_grad=True)
    y = drop(x)
    kept = y.detach()
    assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.003) and float(kept.mean()) == pytest.approx(1, abs=0.005)
    by_byte = (kept.ravel()[: 8 * (y.numel() // 8)].view(-1, 8) == 0).float().mean(0)  # each of the eight bytes of a draw drops as often
    assert torch.allclose(by_byte, torch.full((8,), 0.3), atol=0.005)
    y.sum().backward()
    assert torch.equal(x.grad, kept)
    torch.manual_seed(0)
    assert torch.equal(drop(x), kept) and drop.eval()(x) is x and Dropout(0.0)(x) is x
    assert drop.train()(torch.ones(3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_sasrec_learns_the_same_in_mixed_precision():
    rows = [(u, (u + k) % 12, k) for u in range(60) for k in range(6)]
    full, mixed = (SASRec(16, blocks=1, epochs=10, lr=1e-2, dropout=0.0, batch=16, amp=amp).fit(make_log(rows, (12,), time_kind="order")) for amp in (False, True))
    losses = [[e["loss"] for e in m.epochs_log] for m in (full, mixed)]
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.05) and losses[1][-1] < 0.5 * losses[1][0]
    assert next(mixed.net.parameters()).dtype == torch.float32
