"""Uses of private interfaces of other packages.

A release of such a package may move them without a word. So each use is either guarded (checked
when the process starts, with another way to do the same) or stands in a list here with the reason
why it may stay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from tools.house.sources import PRODUCTION, Source, python_sources

# Leading underscore, but documented: `namedtuple._replace`, `os._exit`.
_PUBLIC: Final = {"_replace", "_exit"}
# Names that the type checker reads; nothing runs by them.
_FOR_TYPES: Final = {"argparse._SubParsersAction", "hashlib._Hash"}
# Of what pyproject.toml pins to one release, which the tests run: nothing moves by itself.
_PINNED: Final = {
    "_make_callable_from_options": "tensorflow",
    "_actions": "python", "_HelpAction": "python", "_SubParsersAction": "python",  # argparse
}  # fmt: skip
# File with a fallback: the test, FILE::NAME, that takes the interface away and sees it used.
GUARDED: Final = {
    "serving/model_server/api/unary_calls.py": "tests/serving/model_server/api/test_grpc_servers.py"
    "::test_where_a_private_part_has_moved_grpc_aio_takes_over_with_one_warning",
}


def unguarded() -> list[str]:
    """Every use that has neither a fallback with a test nor an exact pin."""
    found = []
    for source in python_sources():
        if source.is_production and not _has_test(GUARDED.get(source.path, "")):
            found += [f"{source.path}:{line} {name}" for line, name in uses(source)]
    return found


def _has_test(test: str) -> bool:
    path, _, name = test.partition("::")
    return any(source.path == path and f"def {name}(" in source.text for source in python_sources())


def uses(source: Source) -> Iterator[tuple[int, str]]:
    """(line, name) of what is private to another package, as far as the syntax tells.

    What a class inherits (`self._x`) and what the same file defines are left out.
    """
    own = set(_defined(source.tree))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and not _is_self(node.value) and node.attr not in own:
            name = ast.unparse(node)
            allowed = node.attr in _PUBLIC or node.attr in _PINNED or name in _FOR_TYPES
            if _is_private(node.attr) and not allowed:
                yield node.lineno, name
            continue
        else:
            continue
        for name in names:
            first, *inner = name.split(".")
            if first not in PRODUCTION and any(map(_is_private, inner)):
                yield node.lineno, name


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
