"""Arguments and output that several commands share."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

    from pipeline.config.sections import Config

Subparsers = argparse._SubParsersAction


def add_command(subparsers: Subparsers, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A subcommand whose --help ends with an example and which takes --json."""
    parser = subparsers.add_parser(
        name,
        help=summary.replace("%", "%%"),  # a help is a format, a description is not
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    assert isinstance(parser, argparse.ArgumentParser)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="YAML file, or the name of one in pipeline/configs (default: reference)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="override one key, such as trainer.epochs=5; may be repeated",
    )


def config_options(args: argparse.Namespace) -> list[str]:
    """The arguments that say which config this is, for a command that follows."""
    named = ["--config", args.config] if args.config else []
    return named + [part for override in args.overrides for part in ("--set", override)]


def load_config(args: argparse.Namespace) -> Config:
    from pipeline.config import reader

    return reader.load(args.config, args.overrides)


def open_store(config: Config) -> MetadataStore | None:
    """The metadata store, or None where no run has made it yet.

    Raises:
      StoreError: it cannot be reached.
    """
    from pathlib import Path

    from pipeline.runs.metadata_store import connect, connection_config

    connection = connection_config(config.metadata_url)
    if connection.HasField("sqlite") and not Path(connection.sqlite.filename_uri).exists():
        return None  # looking must not create it
    return connect(config.metadata_url)


def print_json(value: Any) -> None:
    """Strict JSON: a number that is not finite becomes null."""
    print(json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def finite(value: Any) -> Any:
    """The same document with null for every number that strict JSON has no form for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
