"""The library's shape, read from its sources: no file over 300 lines, and imports that point one way."""

from __future__ import annotations

import ast

import pytest

from tools import common

LIBRARY = common.ROOT / "recsys_lib"
FILES = sorted(LIBRARY.rglob("*.py"))
# Lowest first: a room may import from rooms in lines above its own, and a package from itself.
LAYERS = (
    ("errors", ""),
    ("data",),
    ("batches", "gguf", "metrics", "plotting", "prompts", "results", "vector_cache"),
    ("weights",),
    ("language",),
    ("ann", "generator", "profiles", "scenes"),
    ("training", "written_profiles"),
    ("models",),
    ("evaluation",),
    ("recommend",),
    ("rerank", "transfer"),
    ("exercises",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
EXCEPTIONS = {("language", "generator")}  # so that `from recsys_lib.language import TextGenerator` works, as the design has it; read only when asked for


def room(module: str) -> str:
    """``recsys_lib.data.log`` → ``data``; the package itself is the empty room."""
    return (module.split(".") + [""])[1]


def imports(tree: ast.AST) -> set[str]:
    """Rooms of the library that a file imports, at its head or inside a function."""
    named = {node.module if node.module != "recsys_lib" else f"recsys_lib.{node.names[0].name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {room(module) for module in named if module and module.split(".")[0] == "recsys_lib"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(LIBRARY).as_posix())
def test_a_file_is_read_in_one_sitting(file):
    assert len(file.read_text(encoding="utf8").splitlines()) <= 300, "CONTRIBUTING.md says: never over 300 lines"


def wrong_ways(here: str, source: str) -> set[tuple[str, str]]:
    """The imports of one room's source that do not point down."""
    return {(here, there) for there in imports(ast.parse(source)) if there != here and RANK[there] >= RANK[here]}


def test_imports_point_one_way():
    here = {file: file.relative_to(LIBRARY).with_suffix("").parts[0].replace("__init__", "") for file in FILES}
    assert set(here.values()) == set(RANK), "a new room of the library needs its place in LAYERS"
    found = set().union(*(wrong_ways(here[file], file.read_text(encoding="utf8")) for file in FILES))
    assert found == EXCEPTIONS


def test_an_import_that_points_up_is_seen_wherever_it_stands():
    assert wrong_ways("data", "from recsys_lib.models.ease import EASE") == {("data", "models")}
    assert wrong_ways("metrics", "def f():\n    from recsys_lib import evaluation") == {("metrics", "evaluation")}
    assert not wrong_ways("evaluation", "import numpy\nfrom recsys_lib.data.log import ITEM\nimport recsys_lib.metrics")
