"""A, the training: one loop for everything in the book that learns by gradient."""

from __future__ import annotations

import ctypes
import json
import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as write_tensors
from torch import nn
from tqdm.auto import tqdm

from recsys_lib.data.sources import writing
from recsys_lib.errors import BadData, RecsysError


def train(
    module: nn.Module,
    batches: Callable[[torch.Generator], Sequence[Any]],
    loss: Callable[[Any], torch.Tensor],
    *,
    epochs: int = 5,
    lr: float = 2e-3,
    weight_decay: float = 0.01,
    no_decay: Sequence[str] = (),
    warmup: float = 0.1,
    schedule: Callable[[float], float] | None = None,
    optimizer: Callable[..., torch.optim.Optimizer] | None = None,
    clip: float | None = None,
    seed: int = 0,
    validate: Callable[[], float] | None = None,
    patience: int = 2,
    amp: bool = False,
    checkpoint: str | Path | None = None,
    facts: dict[str, Any] | None = None,
    writer: Any = None,
    show_progress: bool = False,
) -> list[dict[str, float]]:
    """Minimise ``loss``; unless told otherwise with AdamW (Loshchilov & Hutter, ICLR 2019), a linear warm-up and a cosine decay of the step size.

    All randomness that PyTorch draws in an epoch (order, dropout, negatives) follows from ``seed`` and the epoch's number, so
    that a run stopped at any moment and resumed from its checkpoint ends with the same weights. What ``loss`` draws from NumPy
    or from the clock does not.

    Args:
        module: what is trained, in place. Keep a name's prefix in ``no_decay`` to spare its parameters the weight decay.
        batches: given the epoch's generator, the epoch's batches in order; the same number every epoch. A batch that is a tensor of rows, or
            a tuple that ends with one, is halved when a GPU has too little memory for it: the step stays one step over all its rows.
        loss: mean loss of one batch, a scalar with a gradient.
        epochs: passes (at most, with ``validate``). lr: largest step size. warmup: share of all steps.
        schedule: factor of the step size at a progress in [0, 1), in place of warm-up and cosine.
        optimizer: called with parameter groups and ``lr``, e.g. ``torch.optim.SGD`` or a ``functools.partial`` of it. What it makes of a
            group's ``weight_decay`` is its own affair: AdamW decouples it, Adam and SGD add it to the gradient (L2).
        clip: largest norm of the gradient of a step; longer ones are scaled down to it. ``None``: as it is.
        validate: called after each epoch, higher is better; ``patience`` epochs without a better value stop the run, and the
            best epoch's weights are kept.
        amp: compute in bfloat16 (few CPUs gain by it; a GPU that only emulates it, such as a T4, goes on in float32 with a warning).
        checkpoint: a folder; written after each epoch, read at the start if it is there.
        facts: what else must be the same when a checkpoint is resumed: the settings behind ``batches`` and ``loss``, by name; JSON-able.
        writer: anything with ``add_scalar(name, value, step)``, such as TensorBoard's SummaryWriter.

    Returns:
        One dict an epoch: epoch, loss, gradient (its largest norm), seconds, and value if validated.

    Raises:
        RecsysError: the loss, its gradient or the validation value is not a number any more, or one row does not fit the GPU; with the
            epoch, the step, and the likely cause. No such step is taken, so no checkpoint holds its weights.
        BadData: epochs, patience or clip leave nothing to do; there is no batch; the checkpoint is damaged, of another module or made with other settings, with the field that differs.
    """
    if min(epochs, patience) < 1 or (clip is not None and not clip > 0):
        raise BadData(f"epochs is {epochs}, patience {patience} and clip {clip}; give whole numbers from 1, and a clip above 0 or None.")
    device = next(module.parameters()).device
    spared = [p for name, p in module.named_parameters() if name.startswith(tuple(no_decay))] if no_decay else []
    decayed = [p for p in module.parameters() if not any(p is q for q in spared)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    stepper = (optimizer or partial(torch.optim.AdamW, fused=True))([group for group in groups if group["params"]], lr=lr)
    schedule_of = schedule or (lambda progress: step_size(progress, warmup))
    amp = amp and has_bfloat16(device)
    settings = {"epochs": epochs, "lr": lr, "weight_decay": weight_decay, "no_decay": list(no_decay), "warmup": warmup, "seed": seed, "amp": amp}
    settings |= {"validated": validate is not None, "patience": patience, "optimizer": f"{type(stepper).__name__}({', '.join(f'{k}={v}' for k, v in stepper.defaults.items())})", "clip": clip}
    settings["schedule"] = [round(schedule_of(k / 8), 9) for k in range(8)]
    settings |= json.loads(json.dumps(facts or {}, default=str))
    pieces = 1  # parts of a batch that are in memory one after the other
    history, best = (_resume(Path(checkpoint), module, stepper, settings) if checkpoint else None) or ([], None)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), tqdm(total=epochs, initial=len(history), desc="train", unit="epoch", disable=not show_progress) as bar:
        for epoch in range(len(history), epochs):
            if validate and _waited(history) >= patience:
                break
            torch.manual_seed(seed * 10_007 + epoch)
            todo = batches(torch.Generator().manual_seed((seed * 10_007 + epoch) ^ 0x5EED))  # not the stream that draws dropout
            if not len(todo):
                raise BadData("there is no batch to train on; are there events in the time asked for?")
            if schedule is None and warmup * epochs * len(todo) < 1:  # too few steps for one to be spent on warming up
                schedule_of = partial(step_size, warmup=0.0)
            began, total, steepest = time.perf_counter(), 0.0, 0.0
            module.train()
            for step, batch in enumerate(todo):
                for group in stepper.param_groups:
                    group["lr"] = lr * schedule_of((epoch * len(todo) + step) / (epochs * len(todo)))
                where = f"in epoch {epoch + 1}, step {step + 1}"
                number = None
                while number is None:
                    stepper.zero_grad()
                    try:
                        number = _descend(loss, _parts(batch, pieces), amp, device)
                    except torch.cuda.OutOfMemoryError as error:
                        if len(_parts(batch, 2 * pieces)) == len(_parts(batch, pieces)):
                            raise RecsysError(f"CUDA ran out of memory {where}, and the batch cannot be halved; use smaller batches or device='cpu'.") from error
                        pieces *= 2
                        warnings.warn(f"CUDA out of memory {where}; going on with batches cut into {pieces}, whose gradients are added up.", stacklevel=2)
                if not math.isfinite(number):
                    raise RecsysError(f"the loss is {number} {where}; lr={lr} is probably too large, or an input is not a number.")
                norm = float(nn.utils.clip_grad_norm_(module.parameters(), clip or math.inf))
                if not math.isfinite(norm):
                    raise RecsysError(f"the loss is {number:.4g} and its gradient {norm} {where}; look for a square root or logarithm of 0, or 0 divided by 0.")
                stepper.step()
                total, steepest = total + number, max(steepest, norm)
            fact = {"epoch": epoch + 1, "loss": total / len(todo), "gradient": steepest, "seconds": time.perf_counter() - began}
            module.eval()
            if validate:
                fact["value"] = float(validate())
                if not math.isfinite(fact["value"]):
                    raise RecsysError(f"the validation value is {fact['value']} after epoch {epoch + 1}, so no epoch can be called the best; is the split empty?")
                if best is None or fact["value"] > max(f["value"] for f in history):
                    best = deepcopy(module.state_dict())
            history.append(fact)
            if writer is not None:
                for name, number in fact.items():
                    writer.add_scalar(name, number, epoch + 1)
            bar.set_postfix(loss=f"{fact['loss']:.4f}", **({"value": f"{fact['value']:.4f}"} if validate else {}))
            bar.update()
            if checkpoint:
                _save(Path(checkpoint), module, stepper, settings, history, best)
    if best is not None:
        module.load_state_dict(best)
    module.eval()
    return history


def _parts(batch: Any, pieces: int) -> list[tuple[float, Any]]:
    """The batch in at most ``pieces`` parts of about equal size, each with its share of the rows. What is no tensor and does not end with one stays whole."""
    whole = batch if isinstance(batch, torch.Tensor) else batch[-1] if isinstance(batch, tuple) else None
    if not isinstance(whole, torch.Tensor) or not whole.ndim or pieces == 1:
        return [(1.0, batch)]
    return [(len(rows) / len(whole), rows if whole is batch else (*batch[:-1], rows)) for rows in whole.chunk(pieces)]


def _descend(loss: Callable[[Any], torch.Tensor], parts: list[tuple[float, Any]], amp: bool, device: torch.device) -> float:
    """Add the gradient of the mean loss over all parts to the module's; that loss. One that is no number gives no gradient."""
    total = 0.0
    for share, part in parts:
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            value = loss(part) * share
        total += value.item()
        if not math.isfinite(total):
            return total
        value.backward()
    return total


def step_size(progress: float, warmup: float) -> float:
    """Factor of the step size at ``progress`` in [0, 1]: rises linearly from 0, so that the first step moves nothing, to 1 at ``warmup``, then falls to 0 along a cosine."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1e-9, 1 - warmup)))


def has_bfloat16(device: torch.device) -> bool:
    """False, after a warning, on a GPU that would only emulate bfloat16 (older than NVIDIA's Ampere)."""
    slow = device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) < (8, 0)
    if slow:
        warnings.warn(f"amp is left out: {torch.cuda.get_device_name(device)} would only emulate bfloat16, slower than float32.", stacklevel=3)
    return not slow


def release_memory() -> None:
    """Give the system back what lies free between the blocks in use. Batches of many shapes leave gaps that none of them fills, gigabytes in an hour. Linux with glibc only."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _waited(history: list[dict[str, float]]) -> int:
    """Epochs since the best value."""
    values = [fact["value"] for fact in history]
    return len(values) - 1 - values.index(max(values)) if values else 0


def _save(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, settings: dict, history: list, best: dict | None) -> None:
    """One file holds weights, optimiser and story: a reader meets all of an epoch or none of it."""
    tensors = {f"module.{k}": v for k, v in module.state_dict().items()} | {f"best.{k}": v for k, v in (best or {}).items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None}
    tensors = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    content = write_tensors(tensors, metadata={"settings": json.dumps(settings), "history": json.dumps(history)})
    writing(folder / "checkpoint.safetensors", lambda part: part.write_bytes(content))


def _resume(folder: Path, module: nn.Module, optimizer: torch.optim.Optimizer, settings: dict) -> tuple[list, dict | None] | None:
    path = folder / "checkpoint.safetensors"
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            story = file.metadata()
        tensors = load_file(path, device=str(next(module.parameters()).device))
        then, history = json.loads(story["settings"]), json.loads(story["history"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BadData(f"{path} is damaged or no checkpoint of this loop ({error}); remove it to begin anew.") from error
    for field, value in settings.items():
        if then.get(field) != value:
            raise BadData(f"the checkpoint in {folder} was made with {field}={then.get(field)!r}, this run has {value!r}; use the same settings or another folder.")
    try:
        module.load_state_dict({k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")})
    except RuntimeError as error:
        raise BadData(f"the checkpoint in {folder} is of another module ({str(error).splitlines()[-1].strip()}); use another folder.") from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, field = name.split(".")
            state.setdefault(int(number), {})[field] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    return history, best or None
