"""sentence-transformers' ``model.encode``, for ``encoding.py``. Runs in its own environment."""

from __future__ import annotations

from functools import partial

import peer
from sentence_transformers import SentenceTransformer


def load(folder: str, max_tokens: int, batch_size: int):
    model = SentenceTransformer(folder, device="cpu", local_files_only=True)
    model.max_seq_length = max_tokens
    return partial(model.encode, batch_size=batch_size, show_progress_bar=False)


peer.encode(load, "sentence-transformers")
