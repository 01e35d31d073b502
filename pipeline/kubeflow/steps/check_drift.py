"""The step of a run on Kubeflow that says whether the data have drifted, and so whether to train.

It needs the folder of pushed models and the data, nothing of an earlier run: the version that is served
carries the log that it was fitted to.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from pipeline.errors import OK, REFUSED, InputError
from pipeline.kubeflow.task import ERROR, failed

MODULE: Final = "pipeline.kubeflow.steps.check_drift"
NEEDED: Final = "needed"
YES: Final = "yes"
NO: Final = "no"
# Values of --train_if.
ALWAYS: Final = "always"
ON_DRIFT: Final = "drift"
NEVER: Final = "never"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--data_path", required=True, help="what find-data found")
    parser.add_argument("--fingerprint", required=True, help="of these files")
    parser.add_argument("--push_to", required=True, help="folder of the pushed models")
    parser.add_argument(
        "--train_if",
        required=True,
        help=f"{ALWAYS}: nothing is compared; {ON_DRIFT}: only a check past its bound says yes; {NEVER}: "
        "nothing is trained, and drift is exit code 3",
    )
    parser.add_argument("--requests", default="", help="folder of PredictionLogs; empty: none")
    parser.add_argument("--gauges", default="", help="file for Prometheus; empty: none")
    parser.add_argument("--params", required=True, help="sections example_gen and drift, as JSON texts")
    parser.add_argument("--needed_file", type=Path, required=True, help=f"where to write {YES} or {NO}")
    parser.add_argument("--report_file", type=Path, required=True, help="where to write the page")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    try:
        drifted, why, page = _compared(args)
    except InputError as error:
        print(f"{ERROR}{error}", file=sys.stderr)
        return error.exit_code
    except Exception as error:
        logging.getLogger(__name__).exception("drift could not be looked at")
        return failed(error)
    print(why)
    for file, text in ((args.needed_file, YES if drifted else NO), (args.report_file, page)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    if drifted and args.train_if == NEVER:
        print(f"{ERROR}{why}", file=sys.stderr)
        return REFUSED
    return OK


def _compared(args: argparse.Namespace) -> tuple[bool, str, str]:
    """Whether to train (or to raise an alarm), why in a sentence, and the page.

    Raises:
      InputError: the data cannot be read, or there is nothing to compare with.
    """
    if args.train_if == ALWAYS:
        return True, "train_if = always: nothing was compared", _note("Nothing was compared.")
    if args.train_if not in (ON_DRIFT, NEVER):
        raise InputError(f"train_if = {args.train_if!r}: expected {ALWAYS}, {ON_DRIFT} or {NEVER}")
    # Here: a run that always trains must not wait for TensorFlow.
    from components.common import storage
    from components.example_gen.params import ExampleGenParams
    from components.pusher import versions
    from pipeline.commands.common import finite
    from pipeline.drift import compared, written
    from pipeline.drift.params import DriftParams
    from pipeline.report import page

    last = versions.latest(args.push_to)
    if last is None:
        if args.train_if == NEVER:
            raise InputError(f"push_to = {args.push_to}: nothing was pushed there yet; train first")
        return True, f"nothing was pushed to {args.push_to} yet", _note("Nothing was pushed yet.")

    def nowhere() -> NoReturn:
        raise InputError(
            f"version {last.number} in {args.push_to} carries no log: it was pushed with index.drift_users: "
            "0 or by an older Marquee; a training pushes one that does"
        )

    sections: dict[str, str] = json.loads(args.params)
    requests = [storage.join(args.requests, name) for name in storage.list_names(args.requests)]
    if args.requests and not requests:
        raise InputError(f"requests = {args.requests}: the folder is empty or not there")
    now = compared.as_it_is(
        args.data_path, args.fingerprint, ExampleGenParams.from_json(sections["example_gen"])
    )
    findings, about = compared.findings(
        last, now, requests if args.requests else [], DriftParams.from_json(sections["drift"]), nowhere
    )
    checked = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    document = finite(
        written.document(findings, version=last.number, checked=checked, data=args.data_path, **about)
    )
    if args.gauges:
        storage.write_text(args.gauges, written.gauges(findings, time.time()))
    print(written.text(findings))
    drifted = document["drifted"]
    return bool(drifted), f"drift: {', '.join(drifted)}" if drifted else "no drift", page.drift(document)


def _note(text: str) -> str:
    return f'<!doctype html><html lang="en"><title>Drift</title><p>{text}</p></html>\n'


if __name__ == "__main__":
    sys.exit(main())
