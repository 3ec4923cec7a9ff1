"""A fitted scene-fusion system in a folder: ``system.json``, what a person can read, and one safetensors file. Nothing is pickled."""

from __future__ import annotations

import inspect
import json
import warnings
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors

from recsys_lib.data.log import ITEM, ITEM_ID, NAME, SCENE, TEXTS, TIME, TITLE, USER, InteractionLog
from recsys_lib.data.sources import writing
from recsys_lib.errors import BadData
from recsys_lib.language import item_texts

FORMAT = 1
ARRAYS = ("vectors", "descriptions")  # arguments that are arrays; they go with the tensors


def fingerprint(log: InteractionLog) -> str:
    """One word for the item table: which items, in which scenes, in which order."""
    keys = log.items[ITEM_ID if ITEM_ID in log.items else TITLE].astype(str)
    lines = "\n".join(f"{scene}\t{key}" for scene, key in zip(log.items[SCENE], keys, strict=True))
    return blake2b("\n".join([*log.scenes[NAME], lines]).encode(), digest_size=16).hexdigest()


def texts_of(log: InteractionLog) -> dict[str, str]:
    """One word for each text column of the item table: what a language model may have read there."""
    return {name: blake2b("\0".join(item_texts(log, [name])).encode("utf-8", "replace"), digest_size=8).hexdigest() for name in TEXTS if name in log.items}


def digest_of(array: np.ndarray) -> str:
    """One word for the content of an array."""
    return blake2b(np.ascontiguousarray(array).tobytes(), digest_size=8).hexdigest()


def learned_from(model: Any) -> dict[str, Any]:
    """What a fit depends on beside its options, one word each: a checkpoint goes on only where all of it is the same."""
    arrays = {name: digest_of(getattr(model, name)) for name in ARRAYS if getattr(model, name) is not None}
    events, tower = model.log.events[[USER, ITEM, TIME]].to_numpy(np.int64), getattr(model, "tower", None)
    return arrays | {"until": model.until, "events": digest_of(events), "item table": fingerprint(model.log), "tower": getattr(tower, "__name__", None)}


def options(model: Any) -> dict[str, Any]:
    """The arguments a model was made with and keeps, those of its base classes too: all but its arrays, its tower and its device."""
    left_out, named = ("self", "device", "tower", *ARRAYS), (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    asked = [inspect.signature(cls.__init__).parameters.items() for cls in type(model).__mro__]
    names = dict.fromkeys(name for arguments in asked for name, argument in arguments if argument.kind in named and name not in left_out)
    kept = {name: "kind" if name == "gates" else name for name in names}
    return {name: getattr(model, attribute) for name, attribute in kept.items() if hasattr(model, attribute)}


def save(model: Any, folder: str | Path) -> Path:
    """Write a fitted model. The weights' file is named by its content and the JSON, which names it, comes last: a reader finds the old system or the new one.

    Raises:
        BadData: the model is not fitted, or has a tower. RecsysError: the disk is full or the folder cannot be written.
    """
    if not hasattr(model, "log"):
        raise BadData(f"this {type(model).__name__} is not fitted, so there is nothing to save; call fit first.")
    if getattr(model, "tower", None) is not None:
        raise BadData("a system with a tower is not saved, because a file of JSON and tensors cannot hold its code; keep net.state_dict() yourself.")
    folder = Path(folder)
    tensors = {f"net.{name}": tensor for name, tensor in model.net.state_dict().items()} | {"features": model._features, "known": model._known}
    tensors |= {name: torch.from_numpy(np.asarray(getattr(model, name), np.float32)) for name in ARRAYS if getattr(model, name) is not None}
    content = write_tensors({name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()})
    digest = blake2b(content, digest_size=16).hexdigest()
    facts = {
        "format": FORMAT, "system": type(model).__name__, "options": options(model),
        "until": model.until, "log": model.log.name, "scenes": model.log.scenes[NAME].tolist(), "items": model.log.n_items, "item table": fingerprint(model.log),
        "texts": texts_of(model.log),
        "weights": f"weights-{digest[:12]}.safetensors", "digest": digest, "epochs": model.log_,
    }  # fmt: skip
    text, before = json.dumps(facts, indent=1, ensure_ascii=False, default=np.generic.item), _weights_of(folder)
    writing(folder / facts["weights"], lambda part: part.write_bytes(content))
    writing(folder / "system.json", lambda part: part.write_text(text, encoding="utf-8"))
    if before and before != facts["weights"]:  # those of the system that was replaced, and nobody else's
        (folder / before).unlink(missing_ok=True)
    return folder


def _weights_of(folder: Path) -> str | None:
    """Name of the weights' file of the system that lies there, if one does."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return Path(json.loads((folder / "system.json").read_text(encoding="utf-8"))["weights"]).name
    return None


def read(folder: str | Path, log: InteractionLog, system: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Facts and tensors of a saved system, once it is sure that they belong together and to this log.

    Raises:
        BadData: no system there, another version or kind, other items, or a damaged file.

    Warns:
        The same items have other texts than when the system was saved.
    """
    path = Path(folder) / "system.json"
    if not path.is_file():
        raise BadData(f"{folder} holds no saved system (there is no system.json); save one with save(folder).")
    again = "save the system anew, or restore the folder"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        version, kind = facts["format"], facts["system"]
    except OSError as error:
        raise BadData(f"{path} cannot be read ({error.strerror}); ask its owner for the right to read it, or save the system anew.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path} is damaged ({error}); {again}.") from error
    if version != FORMAT:
        raise BadData(f"{path} has format {version}, and this library reads format {FORMAT}; fit and save the system with this version of the library, or install the one that wrote it.")
    if kind != system:
        raise BadData(f"{path} is a saved {kind}, not a {system}; load it with {kind}.load.")
    try:
        wanted, items, name = facts["item table"], facts["items"], facts["log"]
        weights, digest = path.parent / Path(facts["weights"]).name, facts["digest"]
    except (KeyError, TypeError) as error:
        raise BadData(f"{path} is damaged (it lacks {error}); {again}.") from error
    if fingerprint(log) != wanted:
        raise BadData(f"the system in {folder} was fitted on the {items:,} items of {name}, and {log.name} has {log.n_items:,} that are not the same in the same order; load it with its own items, or fit a new one.")
    try:
        content = weights.read_bytes()
        if blake2b(content, digest_size=16).hexdigest() != digest:
            raise ValueError("its content does not match system.json")
        tensors = read_tensors(content)
    except (OSError, ValueError, SafetensorError) as error:
        raise BadData(f"{weights} is missing or damaged ({error}); {again}.") from error
    then, now = facts.get("texts"), texts_of(log)
    if changed := [name for name in TEXTS if then is not None and then.get(name) != now.get(name)]:  # a system saved by an older library knows of no texts
        warnings.warn(
            f"the items of {log.name} differ in {' and '.join(changed)} from those that the system in {folder} was saved with, "
            "and it goes by what it read then; fit it anew to read them.", stacklevel=3
        )  # fmt: skip
    return facts, tensors
