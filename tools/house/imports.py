"""Import circles, and imports that break a contract of import-linter's in pyproject.toml."""

from __future__ import annotations

import ast
import collections
import functools
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

from tools.house.sources import PACKAGES, ROOT, Source, python_sources


def circles() -> list[str]:
    """Modules that import each other, also by an import inside a function or for the type checker."""
    graph = _graph()
    edges = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    return [" <-> ".join(sorted(group)) for group in strongly_connected(edges)]


def folder_circles() -> list[str]:
    """Folders that import each other: neighbours in the same folder, at any depth.

    Imports for the type checker alone do not count: nothing runs by them.
    """
    graph = _graph(for_type_checker=False)
    found = []
    for parent in sorted(graph.modules):
        children = graph.find_children(parent)
        if len(children) < 2:
            continue
        edges: dict[str, set[str]] = {child: set() for child in children}
        depth = parent.count(".") + 2
        for child in children:
            for module in {child, *graph.find_descendants(child)}:
                for imported in graph.find_modules_directly_imported_by(module):
                    other = ".".join(imported.split(".")[:depth])
                    if other in children and other != child:
                        edges[child].add(other)
        found += [" <-> ".join(sorted(group)) for group in strongly_connected(edges)]
    return found


def broken_contracts() -> list[str]:
    """Names of the contracts of import-linter's that do not hold."""
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "Contracts:" not in done.stdout:
        raise RuntimeError(f"{tool} failed:\n{done.stdout}{done.stderr}")
    return re.findall(r"^(.+) BROKEN\b", done.stdout, re.MULTILINE)


def outside_standard_library() -> list[str]:
    """What `contract` imports beside the standard library and itself."""
    return [
        f"{source.path}:{line} {name}"
        for source in python_sources()
        if source.path.startswith("contract/")
        for line, name in _absolute_imports(source)
        if name.split(".")[0] not in {"contract", *sys.stdlib_module_names}
    ]


def _absolute_imports(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def strongly_connected(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of more than one node, each of which leads to every other one of its group.

    By what can be reached forwards and backwards from a node; graphs here have some hundred nodes.
    """
    backwards: dict[str, set[str]] = collections.defaultdict(set)
    for node, targets in edges.items():
        for target in targets:
            backwards[target].add(node)
    found: list[list[str]] = []
    seen: set[str] = set()
    for node in edges:
        if node in seen:
            continue
        group = _reached(node, edges) & _reached(node, backwards)
        seen |= group
        if len(group) > 1:
            found.append(list(group))
    return found


def _reached(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for target in edges.get(waiting.pop(), set()) - seen:
            seen.add(target)
            waiting.append(target)
    return seen


@functools.cache
def _graph(for_type_checker: bool = True) -> grimp.ImportGraph:
    sys.path.insert(0, str(ROOT))  # grimp finds packages as an import does
    first, *others = PACKAGES
    return grimp.build_graph(
        first, *others, exclude_type_checking_imports=not for_type_checker, cache_dir=None
    )
