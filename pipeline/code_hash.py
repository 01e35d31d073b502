"""The hash of the sources a component runs on, for TFX's cache.

TFX's cache key holds a component's inputs and properties, not the code behind
an imported function. `code_hash` closes that gap: it covers every file of the
component's room, every project module these files import (followed through
the syntax tree, so nothing is executed) and the lock of the dependencies.

Imported modules count file by file, as Python runs them: a room that imports
`components.model.params` does not rerun when `components/model/towers/encoders.py`
changes. The room itself counts whole, because executors and functions are
found by name at run time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = "components"
# Whose imports are followed.
PROJECT = ("contract", "components", "datasets", "leaderboard", "pipeline", "serving")
ROOT = Path(__file__).resolve().parent.parent
LOCK = Path("requirements") / "pipeline.txt"


def code_hash(*rooms: str, also: Sequence[str] = (), root: Path = ROOT) -> str:
    """Hash of the sources of `rooms`, of what they import and of the lock.

    Args:
      rooms: folders below `components`, such as "trainer" or
        "transform/schemas"; none for a stock component that runs no code of
        the project.
      also: folders below `root` that are run as a process of their own, so that
        no import leads to them.
      root: the folder that holds `components` and `requirements`.

    Returns:
      32 hexadecimal digits.

    Raises:
      FileNotFoundError: if a room does not exist.
    """
    digest = hashlib.sha256()
    for path in source_files(*rooms, also=also, root=root):
        _add(digest, path.relative_to(root).as_posix(), path.read_bytes())
    _add(digest, "dependencies", _dependencies(root))
    return digest.hexdigest()[:32]


def source_files(*rooms: str, also: Sequence[str] = (), root: Path = ROOT) -> list[Path]:
    """The files that count for `rooms`, sorted."""
    folders = [*(root / PACKAGE / room for room in rooms), *(root / folder for folder in also)]
    waiting = [path for folder in folders for path in _room_files(folder)]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.suffix == ".py":
            waiting.extend(_packages_above(path, root))
            waiting.extend(_imported_files(path, root))
    return sorted(seen)


def _add(digest: hashlib._Hash, name: str, content: bytes) -> None:
    # Lengths first: moving a byte from one file to the next must change the hash.
    digest.update(f"{name}\0{len(content)}\0".encode())
    digest.update(content)


def _room_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"no room at {folder}")
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def _packages_above(path: Path, root: Path) -> Iterator[Path]:
    for parent in path.parents:
        if parent == root:
            return
        init = parent / "__init__.py"
        if init.is_file():
            yield init


def _imported_files(path: Path, root: Path) -> Iterator[Path]:
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_file(alias.name, root)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            yield from _module_file(module, root)
            for alias in node.names:  # `from components.model import towers` names a module
                yield from _module_file(f"{module}.{alias.name}", root)


def _module_file(module: str, root: Path) -> Iterator[Path]:
    parts = module.split(".")
    if parts[0] not in PROJECT:
        return
    base = root.joinpath(*parts)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            yield path


def _dependencies(root: Path) -> bytes:
    """The lock; from an installed wheel, which has none, the installed versions."""
    lock = root / LOCK
    if lock.is_file():
        return lock.read_bytes()
    installed = sorted(f"{dist.name}=={dist.version}" for dist in importlib.metadata.distributions())
    return "\n".join(installed).encode()
