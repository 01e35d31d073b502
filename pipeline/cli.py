"""The `marquee` command: parse, call, turn errors into a message and an exit code.

Each subcommand is a module of `pipeline.commands`. They import what is heavy
(TensorFlow, TFX, Beam) inside their functions, so that `marquee --help`
answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from types import TracebackType

from pipeline.commands.common import config_options
from pipeline.errors import FAILED, INTERRUPTED, MarqueeError
from pipeline.terminal.typed import about_config, typed

COMMANDS = (
    "run", "status", "gates", "serve", "application.app", "application.demo", "application.events",
    "application.experiments", "lifecycle.refresh", "lifecycle.pin", "lifecycle.rollback", "lifecycle.forget",
    "ask.recommend", "ask.similar", "ask.rate", "operate.runs", "operate.report", "operate.drift",
    "operate.doctor", "leaderboard", "data", "config", "kubeflow",
)  # fmt: skip


class _Version(argparse.Action):
    """Looks the version up only where it is asked for: every start would wait for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        print(f"marquee {importlib.metadata.version('marquee')}")
        parser.exit()


def build_parser(
    parser_class: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """The command's parser; those of its commands and actions are of the same class."""
    parser = parser_class(
        prog="marquee",
        description="A recommender from a ratings log to production: train, judge, push, ask.",
        epilog="example:\n  marquee run --data data/ml-latest-small\n\n"
        "marquee COMMAND --help shows a command's own arguments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the installed version")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"pipeline.commands.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (argparse itself exits with 2)."""
    args = build_parser().parse_args(argv)
    # Artifacts and models hold people's histories: not for everybody on the machine or the shared volume.
    os.umask(os.umask(0o027) | 0o027)
    sys.excepthook = _unexpected
    with about_config(config_options(args) if hasattr(args, "overrides") else []):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    try:
        code = args.run(args)
        assert isinstance(code, int)
        sys.stdout.flush()
    except MarqueeError as error:
        print(f"marquee: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\nmarquee: interrupted; `{typed('run')}` goes on from what was finished", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # `marquee status | head`: the reader has enough. Python would complain
        # again when it flushes stdout at exit.
        sys.stdout = None
        return FAILED
    return code


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A bug: one line here, the traceback in a file to report."""
    with tempfile.NamedTemporaryFile("w", prefix="marquee-", suffix=".log", delete=False) as log:
        traceback.print_exception(kind, error, trace, file=log)
    print(f"marquee: unexpected {kind.__name__}: {error}\ntraceback: {log.name}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
