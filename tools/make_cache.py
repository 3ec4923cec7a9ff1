"""``make cache``: fetch models and data, encode the texts. Called by ``make book`` and ``make test``; passes offline and says what is missing."""

from __future__ import annotations

import hashlib
import time

from recsys_lib.data import load
from recsys_lib.data.sources import cache_dir, fetch, registry
from recsys_lib.errors import SourceUnreachable
from recsys_lib.weights import folder_of
from tools import common

WORDS = ("title", "description")
OVERLAPS = [("sceneworld", {"preset": "tiny", "overlap": overlap, "items": 120}, WORDS) for overlap in (0.0, 0.1, 0.25, 0.5)]  # chapter 04
ENCODED = (("sceneworld", {"theme_share": 0.8}, WORDS), ("sceneworld", {"theme_share": 0.2}, WORDS), *OVERLAPS, ("sceneworld", {"preset": "many-scenes"}, WORDS), ("amazon-fkb", {}, ("title", "categories")))


def encode() -> None:
    """Encode the texts of the data sets that chapters encode; at once when that was done before by the same code."""
    code = sorted((common.ROOT / "recsys_lib").glob("*.py")) + sorted((common.ROOT / "recsys_lib" / "data").glob("*.*"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:16]
    stamp = cache_dir() / f"encoded-{state}"
    if stamp.exists():
        return
    from recsys_lib.language import TextEncoder, item_texts

    encoder = TextEncoder()
    for name, options, fields in ENCODED:
        began = time.perf_counter()
        texts = item_texts(load(name, **options), fields=fields)
        encoder.encode(texts)
        print(f"  {name}: {len(texts):,} texts encoded, {time.perf_counter() - began:.1f} s", flush=True)
    for old in cache_dir().glob("encoded-*"):
        old.unlink(missing_ok=True)
    stamp.touch()


def unpack() -> None:
    """Unpack the decoder's four-bit weights, once."""
    began, there = time.perf_counter(), folder_of("SmolLM2-135M-Instruct", None)
    print(f"  {there.name}: unpacked, {time.perf_counter() - began:.1f} s", flush=True)


def main() -> dict[str, bool]:
    """Fetch everything the chapters use; for each collection of files, whether it is there."""
    there: dict[str, bool] = {}
    print("Models and data", flush=True)
    for collection in sorted({name.partition("/")[0] for name in registry()}):
        began = time.perf_counter()
        try:
            fetch(collection)
            there[collection] = True
            print(f"  {collection}: ready, {time.perf_counter() - began:.1f} s", flush=True)
        except SourceUnreachable as problem:
            there[collection] = False
            print(f"  {collection}: left out. {problem}", flush=True)
    for step in (encode, unpack):
        try:
            step()
        except SourceUnreachable as problem:
            print(f"  not everything could be encoded: {problem}")
    return there


if __name__ == "__main__":
    main()
