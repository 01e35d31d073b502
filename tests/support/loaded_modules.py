"""Which files of the project Python really loads for given modules.

    python loaded_modules.py < {"name": ["module", ...], ...}

One process imports the dependencies once, then forks for each name: the child imports the modules
and tells the files of all project modules that it holds. Prints {"name": ["file", ...], ...}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# What the steps' modules import of others; a fork has them already.
DEPENDENCIES = (
    "tfx.dsl.components.base.base_beam_executor", "tfx.components.trainer.executor", "tensorflow",
    "tensorflow_model_analysis", "tensorflow_transform", "tensorflow_recommenders", "scann",
)  # fmt: skip


def loaded(modules: list[str]) -> list[str]:
    """Imports `modules`; the files of the project among sys.modules, below the repository, sorted."""
    for module in modules:
        importlib.import_module(module)
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = [Path(file).resolve() for file in files if file]
    own = [path for path in paths if path.is_relative_to(REPOSITORY) and ".venv" not in path.parts]
    return sorted(path.relative_to(REPOSITORY).as_posix() for path in own if path != Path(__file__).resolve())


def in_fork(modules: list[str]) -> list[str]:
    """`loaded` in a child process.

    Raises:
      RuntimeError: the child failed; its traceback is on stderr.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as stream:
                json.dump(loaded(modules), stream)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"importing {modules} failed")
    return json.loads(text)


if __name__ == "__main__":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # as components/__init__.py does
    wanted = json.load(sys.stdin)
    for dependency in DEPENDENCIES:
        importlib.import_module(dependency)
    sys.stdout.write(json.dumps({name: in_fork(modules) for name, modules in wanted.items()}) + "\n")
