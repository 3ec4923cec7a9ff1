"""Vectors on disk by key: what a text encoder computed once is not computed again.

A cache is a folder of shards. A shard is a safetensors file of two tensors, ``keys`` uint8 [n, 16] and ``vectors``
float32 [n, d]; its name is the BLAKE2b digest of its bytes. So a damaged shard is recognised by its own name, two
processes that write the same shard write the same file, and nobody ever reads half a shard: files are renamed into place.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from recsys_lib.data.sources import writing

KEY_BYTES = 16


class VectorCache:
    """One folder of shards. It holds vectors of one kind only (one model, one pooling): the caller names the folder so.

    Args:
        folder: where the shards lie; made on the first :meth:`put`.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._keys: dict[Path, list[bytes]] = {}  # shard → its keys, in row order; filled once a shard

    def get(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        """Vectors of those keys that are on disk: key → float32 [d]. Damaged shards are named in a warning, removed and not used."""
        wanted, found = set(keys), {}
        for shard in sorted(self.folder.glob("*.safetensors")) if wanted else ():
            rows = [row for row, key in enumerate(self._keys_of(shard)) if key in wanted and key not in found]
            vectors = self._vectors_of(shard) if rows else None
            if vectors is not None:
                found.update((self._keys[shard][row], vectors[row]) for row in rows)
        return found

    def put(self, keys: list[bytes], vectors: np.ndarray) -> Path:
        """Write one shard, whole or not at all: keys n × 16 bytes, vectors float32 [n, d]. Returns its path.

        Raises:
            RecsysError: the disk is full or the folder cannot be written; no partial file stays behind.
        """
        table = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        content = save({"keys": table, "vectors": np.ascontiguousarray(vectors, np.float32)})
        path = self.folder / f"{blake2b(content, digest_size=16).hexdigest()}.safetensors"
        writing(path, lambda part: part.write_bytes(content))
        self._keys[path] = list(keys)
        return path

    def bytes(self) -> int:
        """Size of all shards in bytes."""
        return sum(shard.stat().st_size for shard in self.folder.glob("*.safetensors"))

    def _keys_of(self, shard: Path) -> list[bytes]:
        if shard not in self._keys:
            try:
                with safe_open(shard, framework="np") as file:
                    table = file.get_tensor("keys")
                self._keys[shard] = [row.tobytes() for row in table]
            except FileNotFoundError:  # another process found it damaged and removed it
                return []
            except OSError as error:
                self._pass_over(shard, error)
                return []
            except (SafetensorError, ValueError) as error:
                self._reject(shard, str(error))
                return []
        return self._keys[shard]

    def _vectors_of(self, shard: Path) -> np.ndarray | None:
        try:
            content = shard.read_bytes()
        except OSError as error:
            self._pass_over(shard, error)
            return None
        if blake2b(content, digest_size=16).hexdigest() != shard.stem:
            self._reject(shard, "its content does not match its name")
            return None
        return load(content)["vectors"]

    def _reject(self, shard: Path, why: str) -> None:
        warnings.warn(f"cached vectors in {shard} are damaged ({why}); the file is removed and its texts are encoded again.", stacklevel=4)
        self._keys.pop(shard, None)
        with suppress(OSError):  # a folder that cannot be written
            shard.unlink(missing_ok=True)

    def _pass_over(self, shard: Path, error: OSError) -> None:
        """What cannot be read now is not damaged."""
        if not isinstance(error, FileNotFoundError):
            warnings.warn(f"cached vectors in {shard} cannot be read ({error.strerror}); its texts are encoded again.", stacklevel=4)
        self._keys.pop(shard, None)
