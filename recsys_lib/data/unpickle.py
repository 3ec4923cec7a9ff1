"""Reading other people's pickles without running them.

A pickle may name any Python function and have it called while it is read. Two readers here allow nothing, or only what numpy
needs to rebuild an array; a pickle that asks for more is refused, and the message names what it asked for.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recsys_lib.errors import BadData

_ARRAY_PARTS = {
    (f"{core}.{module}", name)
    for core in ("numpy.core", "numpy._core")
    for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
} | {("numpy", "ndarray"), ("numpy", "dtype")}


class _Refusing(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, path: Path, allowed: set[tuple[str, str]]):
        super().__init__(stream)
        self._path, self._allowed = path, allowed

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise BadData(f"{self._path} is a pickle that tries to import {module}.{name}; it was not opened, so delete it and fetch the file again from its home.")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _read(stream: BinaryIO, path: Path, allowed: set[tuple[str, str]]) -> Any:
    try:
        return _Refusing(stream, path, allowed).load()
    except BadData:
        raise
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, ImportError, LookupError, OverflowError, MemoryError) as problem:
        raise BadData(f"{path} is not a readable pickle ({type(problem).__name__}: {problem}); delete it and fetch it again.") from problem


def safe_unpickle(path: str | Path) -> Any:
    """Read a pickle of plain values (dict, list, tuple, set, str, bytes, numbers, None). Every import is refused.

    Raises:
        BadData: the file asks for an import, or is no pickle.
    """
    path = Path(path)
    with path.open("rb") as stream:
        return _read(stream, path, set())


def safe_load_object_npy(path: str | Path) -> np.ndarray:
    """Read a ``.npy`` file of Python objects; only numpy's own array rebuilders may be imported.

    Returns an object array of the stored shape (use ``.item()`` where it holds one dict).

    Raises:
        BadData: no ``.npy`` header, an array that is not of objects, or a pickle that asks for anything else.
    """
    path = Path(path)
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(stream)
        except ValueError as problem:
            raise BadData(f"{path} has no .npy header ({problem}); delete it and fetch it again.") from problem
        if not dtype.hasobject:
            raise BadData(f"{path} holds {dtype} values, not objects; read it with numpy.load(path, allow_pickle=False).")
        loaded = _read(stream, path, _ARRAY_PARTS)
    if not isinstance(loaded, np.ndarray) or loaded.shape != shape:
        raise BadData(f"{path} does not hold the array of shape {shape} that its header promises; delete it and fetch it again.")
    return loaded
