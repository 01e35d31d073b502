"""Commands that a message tells the reader to type, written so that their shell finds them."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_SCRIPT = "marquee"
# Commands about what one config names.
_OF_A_CONFIG = {
    "drift", "forget", "gates", "recommend", "report", "rollback", "run", "runs", "serve", "status", "unpin",
}  # fmt: skip
_options: list[str] = []


@contextlib.contextmanager
def about_config(options: Sequence[str]) -> Iterator[None]:
    """Within the block, what is proposed to be typed is about the config that the options name."""
    _options[:] = options
    try:
        yield
    finally:
        _options.clear()


def typed(command: str, *arguments: str) -> str:
    """`marquee COMMAND ARGUMENTS` as it can be typed in the current folder, about the same config.

    The script's name alone works only while its environment is active; else it
    takes the path, relative where that is below the current folder.
    """
    options = _options if command in _OF_A_CONFIG and "--config" not in arguments else []
    return shlex.join([_script(), command, *options, *arguments])


def _script() -> str:
    if shutil.which(_SCRIPT):
        return _SCRIPT
    # Not resolved: the interpreter of an environment is a link out of it.
    script = Path(sys.executable).absolute().with_name(_SCRIPT)
    if not script.is_file():
        return _SCRIPT
    here = Path.cwd()
    return str(script.relative_to(here)) if script.is_relative_to(here) else str(script)
