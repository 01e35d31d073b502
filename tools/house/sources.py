"""The files of the repository, as Git knows them, and the Python sources among them parsed."""

from __future__ import annotations

import ast
import dataclasses
import functools
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
# The project's packages, installed or run from the repository.
PACKAGES: Final = ("contract", "components", "datasets", "leaderboard", "pipeline", "serving")
# What counts as production: all Python that is no test.
PRODUCTION: Final = (*PACKAGES, "benchmarks", "tools")


@dataclasses.dataclass(frozen=True)
class Source:
    """One Python file.

    Attributes:
      path: below `root`, with slashes.
    """

    path: str
    root: Path = ROOT

    @functools.cached_property
    def text(self) -> str:
        return (self.root / self.path).read_text(encoding="utf-8")

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @property
    def is_production(self) -> bool:
        return self.path.split("/")[0] in PRODUCTION


@functools.cache
def tracked_files() -> tuple[str, ...]:
    """Paths of all files that are committed or about to be, without those that .gitignore names.

    Raises:
      RuntimeError: the folder is no clone, so nothing says which files belong to it.
    """
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{ROOT} is no Git repository ({done.stderr.strip()}); run this in a clone")
    return tuple(sorted(path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()))


@functools.cache
def python_sources() -> tuple[Source, ...]:
    return tuple(Source(path) for path in tracked_files() if path.endswith(".py"))
