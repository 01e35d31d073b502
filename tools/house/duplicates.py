"""Blocks of code that stand in two places.

Two ways to find them: the same lines, whatever their layout, and functions that differ in the names
of their variables alone. Imports, signatures, docstrings and comments do not count: they repeat by
their nature.
"""

from __future__ import annotations

import ast
import collections
import copy
import io
import tokenize
from collections.abc import Iterator, Sequence
from typing import Final

from tools.house.sources import Source, python_sources

LINES: Final = 8  # of code, the same in both places
NODES: Final = 40  # of the syntax tree of a function's body

_LAYOUT: Final = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def blocks(production: bool) -> list[str]:
    """One line a pair: where each stands and how long it is."""
    chosen = [source for source in python_sources() if source.is_production == production]
    return same_lines(chosen) + same_functions(chosen)


def same_lines(sources: Sequence[Source]) -> list[str]:
    """Runs of at least LINES equal lines of code."""
    code = {source.path: list(_code(source)) for source in sources}
    windows = collections.defaultdict(list)
    for path, lines in code.items():
        for start in range(len(lines) - LINES + 1):
            windows[tuple(text for _, text in lines[start : start + LINES])].append((path, start))
    pairs = {
        (first, second)
        for places in windows.values()
        for number, first in enumerate(places)
        for second in places[number + 1 :]
    }
    found = []
    for (path, start), (other, begin) in sorted(pairs):
        if ((path, start - 1), (other, begin - 1)) in pairs:
            continue  # inside a longer run
        length = LINES
        while ((path, start + length - LINES + 1), (other, begin + length - LINES + 1)) in pairs:
            length += 1
        found.append(f"{path}:{code[path][start][0]} = {other}:{code[other][begin][0]}, {length} lines")
    return found


def same_functions(sources: Sequence[Source]) -> list[str]:
    """Functions of at least NODES syntax nodes whose bodies differ in variables' names at most."""
    bodies = collections.defaultdict(list)
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, _FUNCTIONS):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                if sum(1 for part in body for _ in ast.walk(part)) >= NODES:
                    bodies[_shape(node, body)].append(f"{source.path}:{node.lineno} {node.name}")
    return [" = ".join(places) for places in bodies.values() if len(places) > 1]


def _code(source: Source) -> Iterator[tuple[int, str]]:
    """(line number, its tokens) of the lines that count."""
    skipped: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif (
            isinstance(node, (ast.Module, ast.ClassDef, *_FUNCTIONS)) and ast.get_docstring(node) is not None
        ):
            first = node.body[0]
            skipped.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        if isinstance(node, _FUNCTIONS) and node.body[0].lineno > node.lineno:
            skipped.update(range(node.lineno, node.body[0].lineno))
    tokens = collections.defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type not in _LAYOUT and token.start[0] not in skipped:
            tokens[token.start[0]].append(token.string)
    for number, strings in sorted(tokens.items()):
        # A line of one word, such as a parameter of a signature, is layout.
        if sum(string[0].isalnum() or string[0] in "_\"'" for string in strings) > 1:
            yield number, " ".join(strings)


def _shape(function: ast.FunctionDef | ast.AsyncFunctionDef, body: Sequence[ast.stmt]) -> str:
    renamed = _Renamed()
    renamed.visit(copy.deepcopy(function.args))
    return ast.dump(ast.Module([renamed.visit(copy.deepcopy(part)) for part in body], []))


class _Renamed(ast.NodeTransformer):
    """Variables by the order in which they first appear."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"v{len(self._names)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._name(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._name(node.arg))
