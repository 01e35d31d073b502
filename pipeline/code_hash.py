"""The hash of the sources that a step runs, for TFX's cache.

TFX's cache key holds a component's inputs and properties, not the code behind them. `code_hash`
closes that gap: it covers the modules that a step starts from, every project module that these
import, at any depth, and the lock of the dependencies. Imports are followed through the syntax
tree, so nothing is executed and an import inside a function counts; what stands in the same folder
and is not imported does not. What is found by name at run time has to be named: `pipeline.dag`.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator
from pathlib import Path

# Packages whose imports are followed; any other is a dependency, which the lock covers.
PROJECT = ("contract", "components", "datasets", "leaderboard", "pipeline", "serving")
ROOT = Path(__file__).resolve().parent.parent
LOCK = Path("requirements") / "pipeline.txt"


def code_hash(modules: Iterable[str], data: Iterable[str] = (), root: Path = ROOT) -> str:
    """Hash of `modules`, of what they import, of `data` and of the lock.

    Args:
      modules: dotted names, such as "components.index.executor". A package stands for what
        `python -m` runs of it. None for a stock component that runs no code of the project.
      data: files below `root` that are read beside the code.
      root: the folder that holds the packages of PROJECT and `requirements`.

    Returns:
      32 hexadecimal digits.

    Raises:
      FileNotFoundError: a module or a file is not there.
    """
    digest = hashlib.sha256()
    for path in source_files(modules, data, root):
        _add(digest, path.relative_to(root).as_posix(), path.read_bytes())
    _add(digest, "dependencies", _dependencies(root))
    return digest.hexdigest()[:32]


def source_files(modules: Iterable[str], data: Iterable[str] = (), root: Path = ROOT) -> list[Path]:
    """The files that count, sorted; arguments and errors as of `code_hash`."""
    waiting: list[Path] = []
    for module in modules:
        found = list(_started(module, root))
        if not found:
            raise FileNotFoundError(f"there is no module {module} below {root}; expected one of {PROJECT}")
        waiting += found
    seen = {root / name for name in data}
    for path in seen:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting += _packages_above(path, root)
            package = path.relative_to(root).parent.parts
            for name in _imported_names(path.read_bytes(), package):
                waiting += _module_file(name, root)
    return sorted(seen)


def _add(digest: hashlib._Hash, name: str, content: bytes) -> None:
    # Lengths first: moving a byte from one file to the next must change the hash.
    digest.update(f"{name}\0{len(content)}\0".encode())
    digest.update(content)


def _started(module: str, root: Path) -> Iterator[Path]:
    yield from _module_file(module, root)
    main = root.joinpath(*module.split("."), "__main__.py")
    if main.is_file():
        yield main


def _packages_above(path: Path, root: Path) -> Iterator[Path]:
    for parent in path.parents:
        if parent == root:
            return
        init = parent / "__init__.py"
        if init.is_file():
            yield init


# Of the same content once: the steps share most of what they import.
@functools.lru_cache(maxsize=1024)
def _imported_names(source: bytes, package: tuple[str, ...]) -> frozenset[str]:
    """Dotted names that a source in `package` imports; those of objects, not modules, among them."""
    names: set[str] = set()
    for node in _run_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else [])))
            # `from components.model import params` names a module.
            names.update({module, *(f"{module}.{alias.name}" for alias in node.names)})
    return frozenset(names)


def _run_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below `node` but those that only the type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and _is_type_checking(child.test):
            for otherwise in child.orelse:
                yield otherwise
                yield from _run_nodes(otherwise)
            continue
        yield child
        yield from _run_nodes(child)


def _is_type_checking(test: ast.expr) -> bool:
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == "TYPE_CHECKING"


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
