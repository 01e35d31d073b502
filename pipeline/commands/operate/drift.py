"""`marquee drift`: is the data still what the pushed model was fitted to?"""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    finite,
    load_config,
    open_store,
    print_json,
)

if TYPE_CHECKING:
    from components.pusher.versions import Version
    from pipeline.config.sections import Config
    from pipeline.drift.log import Log


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "drift",
        "Compare the log as it is, and requests that the server sampled, with what the last pushed model was "
        "fitted to. Exit code 0 no drift, 3 a check is past its bound (config section drift).",
        "marquee drift --data data/ml-latest-small --requests /var/log/marquee/requests-*",
    )
    add_config_arguments(parser)
    parser.add_argument("--data", metavar="PATH", help="the log as it is, as for `marquee run`")
    parser.add_argument(
        "--requests", metavar="FILE", nargs="+", default=[], help="PredictionLogs that the server wrote"
    )
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="write the figures for Prometheus there (textfile collector of node_exporter)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from components.common import storage
    from components.pusher import versions
    from pipeline.drift import written
    from pipeline.errors import OK, REFUSED, InputError
    from pipeline.report import files
    from pipeline.runs import data
    from pipeline.terminal.output import logs_to_file
    from pipeline.terminal.typed import typed

    config = load_config(args)
    if args.data is not None:
        config = config.model_copy(update={"data": args.data})
    last = versions.latest(config.serving_dir)
    if last is None:
        raise InputError(f"nothing was pushed to {config.serving_dir} yet; next  {typed('run')}")
    source = data.resolve(config)
    config = source.applied(config)
    with logs_to_file(Path(config.logs_dir) / "drift.log"):
        from pipeline.dag import Launch
        from pipeline.drift import compared

        launch = Launch.local(config)
        now = compared.as_it_is(launch.data, launch.fingerprint, config.example_gen)
        findings, about = compared.findings(
            last, now, args.requests, config.drift, lambda: _stored(config, last)
        )
    checked = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = written.document(
        findings, version=last.number, checked=checked, data=str(source.path), **about
    )
    path = files.write_drift(config, finite(document))
    if args.metrics:
        storage.write_text(args.metrics, written.gauges(findings, time.time()))
    if args.json:
        print_json({**document, "report": path})
    else:
        print(written.text(findings))
        print(f"report  {path}")
        drifted = ", ".join(document["drifted"])
        print(f"drift  {drifted}" if drifted else "no drift")
    return REFUSED if document["drifted"] else OK


def _stored(config: Config, last: Version) -> Log:
    """The log that the run of a version without one read, from the metadata store and its artifacts.

    Raises:
      InputError: its artifacts are gone.
    """
    from components.common import storage
    from components.pusher import versions
    from pipeline.drift import log
    from pipeline.errors import InputError
    from pipeline.runs import run_records
    from pipeline.terminal.typed import typed

    # Of a refresh the towers are an older version's: what they were fitted to is what counts.
    fitted = versions.fitted(config.serving_dir, last)
    store = open_store(config)
    wanted = fitted.record.get("run")
    for found in run_records.runs(store, config.name) if store else []:
        node = found.node("example_gen") if found.run_id == wanted else None
        if node:
            uris = [node.outputs[name][0].uri for name in ("timelines", "items")]
            if all(map(storage.exists, uris)):
                return log.read(*uris)
    raise InputError(
        f"version {last.number} carries no log (index.drift_users), and the timelines of run {wanted}, which "
        f"fitted version {fitted.number}, are not in {config.artifacts_dir} any more (keep_runs); a training "
        f"makes new ones: `{typed('run')}`"
    )
