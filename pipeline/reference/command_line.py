"""The page of the `marquee` command: every subcommand with its arguments."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator

from pipeline.cli import build_parser
from pipeline.reference.markdown import WIDTH, code, escape, heading, page, paragraph, table

_INTRODUCTION = (
    "Every command has `--help`; all that print results have `--json`. Exit codes: 0 done, 1 failed, 2 a "
    "wrong command line, config or data, 3 a gate refused the model, 130 interrupted."
)


def command_line_page() -> str:
    """Markdown: a heading per command and action."""
    return page(
        heading("Command line", "the parsers of `pipeline/commands`"),
        paragraph(_INTRODUCTION),
        *(part for parser in _leaves(build_parser()) for part in _command(parser)),
    )


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Parsers of commands that do something, in the order of `marquee --help`."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not actions:
        yield parser
    for action in actions:
        for inner in action.choices.values():
            yield from _leaves(inner)


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## {parser.prog}"
    yield paragraph(parser.description or "")
    parser.formatter_class = functools.partial(argparse.RawDescriptionHelpFormatter, width=WIDTH)
    yield f"```text\n{parser.format_usage().strip()}\n```"
    rows = [
        (code(_invocation(action)), escape(_meaning(action)))
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    yield table(("argument", "meaning"), rows)
    if parser.epilog:
        example = parser.epilog.partition("\n")[2].strip()
        yield f"```sh\n{example}\n```"


def _invocation(action: argparse.Action) -> str:
    """`--k N`, or the name of a positional argument."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices and not action.metavar:
        value = f"{{{','.join(map(str, action.choices))}}}"
    return " ".join(filter(None, [", ".join(action.option_strings), "" if action.nargs == 0 else str(value)]))


def _meaning(action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": "marquee"}
