"""Commands that a message tells the reader to type, written so that their shell finds them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

_SCRIPT = "marquee"


def typed(*arguments: str) -> str:
    """`marquee ARGUMENTS` as it can be typed in the current folder.

    The script's name alone works only while its environment is active; else it
    takes the path, relative where that is below the current folder.
    """
    return shlex.join([_script(), *arguments])


def _script() -> str:
    if shutil.which(_SCRIPT):
        return _SCRIPT
    # Not resolved: the interpreter of an environment is a link out of it.
    script = Path(sys.executable).absolute().with_name(_SCRIPT)
    if not script.is_file():
        return _SCRIPT
    here = Path.cwd()
    return str(script.relative_to(here)) if script.is_relative_to(here) else str(script)
