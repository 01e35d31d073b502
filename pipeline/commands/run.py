"""`marquee run`: from the data to a pushed model."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contract
from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    load_config,
    print_json,
)

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.config.sections import Config


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "run",
        "Run the pipeline: read, check, train, index, evaluate, push. Exit code 0 pushed, 1 failed, "
        "2 bad config or data, 3 the model was refused.",
        "marquee run --data data/ml-latest-small --set trainer.epochs=5",
    )
    add_run_arguments(parser)
    parser.add_argument(
        "--since",
        metavar="DATE",
        help="train on events from this date on, in place of the config's example_gen.window, this time",
    )
    parser.set_defaults(run=run)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of every command that runs a pipeline here."""
    add_config_arguments(parser)
    parser.add_argument(
        "--data",
        metavar="PATH",
        action="append",
        help="MovieLens folder, or your own log (--set data=PATH); see `marquee data check`. Given again: a "
        "further log over the same items",
    )
    parser.add_argument(
        "--progress",
        metavar="FILE",
        type=Path,
        help="write how far the run is to FILE as JSON, again and again (the application's page shows it)",
    )


def run(args: argparse.Namespace) -> int:
    def graph(config: Config) -> Pipeline:
        from pipeline.dag import create_pipeline

        return create_pipeline(config)

    if args.since is not None:
        args.overrides = [*args.overrides, f"example_gen.window={_checked_date(args.since)}"]
    return run_here(args, graph)


def _checked_date(date: str) -> str:
    """
    Raises:
      InputError: it is no date, or one to come.
    """
    import time

    from components.example_gen.dates import seconds_of
    from pipeline.errors import InputError

    try:
        future = seconds_of(date) > time.time()
    except ValueError as error:
        raise InputError(f"--since {error}") from error
    if future:
        raise InputError(
            f"--since is {date}, which is yet to come: no event would be left; expected an earlier date"
        )
    return date


def run_here(args: argparse.Namespace, graph: Callable[[Config], Pipeline]) -> int:
    """Runs a pipeline in this process and says how it went; returns the exit code.

    Args:
      args: with `add_run_arguments`.
      graph: of the config with its data found.
    """
    from pipeline.runs import data, interrupt, lock, run_records
    from pipeline.terminal.output import logs_to_file
    from pipeline.terminal.typed import typed

    config = load_config(args)
    if args.data is not None:
        config = config.model_copy(update={"data": args.data[0] if len(args.data) == 1 else tuple(args.data)})
    run_id = run_records.new_run_id()
    log = Path(config.logs_dir) / f"run-{run_id}.log"
    with interrupt.ctrl_c_ends_the_process(), lock.run_lock(lock.lock_path(config), run_id):
        source = data.resolve(config)
        config = source.applied(config)
        # With --json the document has stdout to itself.
        with logs_to_file(log, terminal_descriptor=2 if args.json else 1) as terminal:
            print(f"data  {source}", file=terminal)
            print(f"      {data.layout_of(source.path, config)}", file=terminal)
            if source.map is not None:
                print(f"map   guessed: {source.map.guess.values['columns']}", file=terminal)
                write = typed("data", "check", str(source.path), "--write", "log.yaml")
                print(f"      {write} saves it to change it", file=terminal)
            print(f"log   {log}", file=terminal)
            summary, code = _run(config, graph, run_id, terminal, args.progress)
    if args.json:
        print_json({"run": run_id, "data": str(source.path), "log": str(log), **summary})
    return code


def _run(
    config: Config,
    graph: Callable[[Config], Pipeline],
    run_id: str,
    terminal: Any,
    progress_path: Path | None,
) -> tuple[dict[str, Any], int]:
    """Runs the DAG and shows how it went; returns the JSON summary and the exit code.

    Args:
      progress_path: a file that says how far it is; None for none.
    """
    import logging

    from components.common import progress
    from pipeline.errors import OK, REFUSED, ComponentFailedError
    from pipeline.report.files import write_after_run
    from pipeline.runs.metadata_store import connect
    from pipeline.runs.pushed import invalidate_stale, is_withdrawn
    from pipeline.runs.verdict import as_json, gates_table, verdict
    from pipeline.terminal.display import Display
    from pipeline.terminal.progress_file import ProgressFile
    from pipeline.terminal.typed import typed

    logging.getLogger(__name__).info("config %s", config.resolved_line())
    with Display(terminal) as display:
        file = ProgressFile(progress_path, display) if progress_path else None
        listener = file or display
        progress.set_listener(listener.progress)
        try:
            from pipeline.runs import local_runner

            invalidate_stale(connect(config.metadata_url), config.serving_dir)
            outcomes = local_runner.run(graph(config), run_id, listener)
        except ComponentFailedError as error:
            display.line(f"\n{error}", "bold red")
            display.line(write_after_run(config, connect(config.metadata_url), run_id, str(error)))
            display.line(f"log   {Path(config.logs_dir) / f'run-{run_id}.log'}")
            _clean_up(config, display)
            if file:
                file.end("failed", f"{error.node_id}: {error.reason}")
            return {"state": "failed", "failed": error.node_id, "error": error.reason}, error.exit_code
        finally:
            progress.set_listener(None)

        found = verdict(outcomes)
        nodes = [
            {"node": node.node, "state": node.state, "cached": node.cached, "seconds": node.seconds}
            for node in outcomes
        ]
        display.line("\n" + gates_table(found) + "\n")
        if found.catalogue:
            display.line("catalogue  {items} items, {new} new, {removed} removed".format_map(found.catalogue))
        display.line(write_after_run(config, connect(config.metadata_url), run_id))
        state = "refused" if found.refused else "withdrawn" if is_withdrawn(found.pushed) else "pushed"
        if state == "refused":
            display.line("refused: the model was not pushed", "bold yellow")
            display.line(f"next  {typed('gates')}")
        elif state == "withdrawn":
            version = found.pushed.rpartition("/")[2]
            display.line(
                f"withdrawn  {version}: nothing has changed since it was taken out of sight", "bold yellow"
            )
            display.line(f"next  {typed('status')}, {typed('rollback', version)}")
        else:
            already = " (already there)" if all(node.cached for node in outcomes) else ""
            display.line(f"pushed  {found.pushed}{already}", "bold green")
            display.line(f"next    {typed('recommend', '--user', _a_user(config, run_id))}")
        _clean_up(config, display)
        if file:
            file.end(state)
    summary = {"state": state, "components": nodes, **as_json(found)}
    return summary, REFUSED if found.refused else OK


def _a_user(config: Config, run_id: str) -> str:
    """The id of a user of the log, for a command that works as it is printed."""
    from pipeline.ask import user_timeline
    from pipeline.runs.metadata_store import connect

    try:
        uri = user_timeline.timelines_uri(connect(config.metadata_url), config.name, run_id)
    except user_timeline.NoTimelinesError:  # another pipeline's, or they are gone already
        return "ID" if config.example_gen.columns else "1"
    for split in (contract.TEST, contract.TRAIN):
        for user, _ in user_timeline.some(uri, split, most=1, among=1):
            return user
    raise AssertionError(f"a model was pushed, and {uri} has no user")


def _clean_up(config: Config, display: Any) -> None:
    """Deletes what only runs older than `keep_runs` made, and says what that freed."""
    from components.common.disk import size_text
    from pipeline.retention import artifacts as artifact_retention
    from pipeline.runs.metadata_store import connect

    freed = artifact_retention.apply(
        connect(config.metadata_url), config.name, config.artifacts_dir, config.keep_runs
    )
    if freed.artifacts:
        display.line(
            f"freed   {size_text(freed.bytes)}: {freed.artifacts} artifacts of runs before the newest "
            f"{config.keep_runs} (keep_runs)"
        )
