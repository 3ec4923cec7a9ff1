"""How texts go through a model: cleaned, batch by batch, halved where memory is full, with PyTorch's own kernels. The reader and the writer share it."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from recsys_lib.errors import BadData, RecsysError


def run_batches(batches: Sequence[np.ndarray], run: Callable[[np.ndarray], Any]) -> Iterator[tuple[np.ndarray, Any]]:
    """(batch, run(batch)) for each batch. When CUDA's memory is full, this batch and all that follow are halved, with a warning.

    Raises:
        RecsysError: even a batch of one does not fit.
    """
    todo = deque(batches)
    while todo:
        batch = todo.popleft()
        try:
            out = run(batch)
        except torch.cuda.OutOfMemoryError as error:
            if len(batch) == 1:
                raise RecsysError("CUDA ran out of memory on a single text; use a smaller model, a smaller max_tokens, or device='cpu'.") from error
            torch.cuda.empty_cache()
            warnings.warn(f"CUDA out of memory with {len(batch)} texts in a batch; going on with {(len(batch) + 1) // 2}.", stacklevel=3)
            todo = deque(half for old in (batch, *todo) for half in np.array_split(old, 2) if len(half))
            continue
        yield batch, out


def clean_texts(texts: Sequence[str], max_tokens: int) -> list[str]:
    """Texts cut at 100 · ``max_tokens`` characters, in which what UTF-8 cannot write is replaced. Raises BadData for an entry that is not a string."""
    if isinstance(texts, str):
        raise BadData("one string was given where a list of texts is read; put it into a list.")
    texts = list(texts)  # a generator can be read once only
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise BadData(f"text {row} is a {type(text).__name__}, not a string; turn missing texts into '' first.")
    return [text[: 100 * max_tokens].encode("utf-8", "replace").decode() for text in texts]


@contextmanager
def without_onednn() -> Iterator[None]:
    """PyTorch's own kernels on a processor: oneDNN, which makes only GELU in an encoder, keeps a kernel for every shape of batch, and is no faster."""
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before
