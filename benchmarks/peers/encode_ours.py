"""Our encoder, for ``encoding.py``: exact lengths, nothing padded."""

from __future__ import annotations

from functools import partial

import peer

from recsys_lib.language import TextEncoder


def load(folder: str, max_tokens: int):
    return partial(TextEncoder(folder, max_tokens=max_tokens, device="cpu").encode, cache=False, show_progress=False)


peer.encode(load, "torch")
