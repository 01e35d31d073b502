"""`marquee drift`: is the data still what the pushed model was fitted to?"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        findings, about = _findings(config, last, args.requests)
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


def _findings(config: Config, last: Version, requests: list[str]) -> tuple[list[Any], dict[str, int]]:
    """Every check, and how many events there were before and are newer."""
    from components.common.metrics import names
    from components.pusher.versions import item_ids, list_versions
    from pipeline.drift import checks, served
    from pipeline.errors import InputError

    # Of a refresh the towers are an older version's: what they were fitted to is what counts.
    fitted = next((one for one in list_versions(config.serving_dir) if one.number == last.fitted_for), last)
    before = _before(config, fitted)
    now = _now(config)
    known = {item.encode() for item in item_ids(last.path)}
    findings = checks.of_logs(before, now, known, config.drift)
    tested = fitted.record.get("metrics", {}).get(names.RECALL_10)
    if tested is not None and last.path_exact and before.last:
        findings.append(served.recall(last.path_exact, tested, before, now, config.drift))
    if requests:
        try:
            findings += served.requests(requests, known, config.drift)
            if last.path_exact:
                findings.append(served.scores(last.path_exact, requests, before, config.drift))
        except FileNotFoundError as error:
            raise InputError(f"--requests: there is no file {error}; expected PredictionLogs") from error
    newer = len(now.after(before.last)) if before.last else len(now)
    return findings, {"events": len(before), "newer": newer}


def _before(config: Config, fitted: Version) -> Log:
    """The log that the version's run read.

    Raises:
      InputError: its artifacts are gone.
    """
    from components.common import storage
    from pipeline.drift import log
    from pipeline.errors import InputError
    from pipeline.runs import run_records
    from pipeline.terminal.typed import typed

    store = open_store(config)
    wanted = fitted.record.get("run")
    for found in run_records.runs(store, config.name) if store else []:
        node = found.node("example_gen") if found.run_id == wanted else None
        if node:
            uris = [node.outputs[name][0].uri for name in ("timelines", "items")]
            if all(map(storage.exists, uris)):
                return log.read(*uris)
    raise InputError(
        f"the timelines of run {wanted}, which fitted version {fitted.number}, are not in "
        f"{config.artifacts_dir} any more (keep_runs); a training makes new ones: `{typed('run')}`"
    )


def _now(config: Config) -> Log:
    """The log as it is, read as ExampleGen reads it, into a folder that goes afterwards."""
    from tfx.types.experimental.simple_artifacts import File
    from tfx.types.standard_artifacts import Examples

    import contract
    from components.example_gen.errors import DataError
    from components.example_gen.executor import Executor
    from pipeline.dag import Launch
    from pipeline.drift import log
    from pipeline.errors import InputError

    launch = Launch.local(config)
    with tempfile.TemporaryDirectory(prefix="marquee-drift-") as folder:
        outputs = {"timelines": [Examples()], "items": [Examples()], "quarantine": [File()]}
        for name, [artifact] in outputs.items():
            artifact.uri = str(Path(folder) / name)
            Path(artifact.uri).mkdir()
        properties = {
            "data_path": launch.data,
            contract.DATA_FINGERPRINT: launch.fingerprint,
            contract.PARAMS: config.example_gen.to_json(),
        }
        try:
            Executor().Do({}, outputs, properties)
        except DataError as error:
            raise InputError(str(error)) from error
        return log.read(*(outputs[name][0].uri for name in ("timelines", "items")))
