"""The page of the `marquee` command: what --help says of every command and action."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.cli import build_parser
from pipeline.reference.markdown import WIDTH, heading, page, paragraph

_INTRODUCTION = (
    "What `--help` says. Exit codes: 0 done, 1 failed, 2 a wrong command line, config or data, 3 a gate "
    "refused the model, 130 interrupted."
)


class _Parser(argparse.ArgumentParser):
    """Remembers every parser that is made, the command's and those of its commands and actions."""

    made: list[_Parser]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)


def command_line_page() -> str:
    """Markdown: a heading and the help per command and action."""
    _Parser.made = []
    with _lines_of(WIDTH):
        build_parser(_Parser)
        parts = [part for parser in _Parser.made for part in (f"## {parser.prog}", _help(parser))]
    return page(
        heading("Command line", "the parsers of `pipeline/commands`"), paragraph(_INTRODUCTION), *parts
    )


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().strip()}\n```"


@contextmanager
def _lines_of(width: int) -> Iterator[None]:
    """argparse takes the width of a terminal from the environment, and leaves two columns free."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width + 2)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
