"""The first step of a run on Kubeflow: which data it reads, and their fingerprint.

A spec is compiled once and run many times, on a machine that does not see the
data. So they are looked up when a run starts, by a step that is never cached;
the fingerprint it finds is part of the next step's cache key.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from pipeline.errors import OK, InputError
from pipeline.kubeflow.task import ERROR

MODULE = "pipeline.kubeflow.steps.find_data"
DATE = "{date}"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def resolve(data: str, date: str, today: datetime.date) -> str:
    """The folder of a run: `data` with {date} replaced.

    Args:
      data: folder, in which {date} may stand.
      date: YYYY-MM-DD; "" for `today`.

    Raises:
      InputError: `date` is no date.
    """
    if date:
        try:
            if not _DATE.fullmatch(date):
                raise ValueError
            today = datetime.date.fromisoformat(date)
        except ValueError:
            raise InputError(
                f"date = {date!r}: expected YYYY-MM-DD, or nothing for the day of the run. Kubeflow "
                "Pipelines v2 does not replace [[ScheduledTime]] and the like in every release"
            ) from None
    return data.replace(DATE, today.isoformat())


def find(folder: str, params: ExampleGenParams, expected: str) -> str:
    """Fingerprint of the files that are read at `folder`, which may be a file.

    Args:
      params: how they are read.
      expected: the fingerprint they must have; "" for any.

    Raises:
      InputError: there is no data, or not that which is expected.
    """
    try:
        found = fingerprint(folder, params)
    except DataError as error:
        raise InputError(f"data = {folder}: {error}; it must lie on a mounted volume or at a URL") from error
    if expected and found != expected:
        raise InputError(
            f"data = {folder}: the files have the fingerprint {found}, not {expected} as the run asks for; "
            "give the other files, or no fingerprint"
        )
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder; {date} in it is replaced")
    parser.add_argument("--params", required=True, help="the config's section example_gen, as JSON")
    parser.add_argument("--date", default="", help="YYYY-MM-DD; empty: today, in UTC")
    parser.add_argument("--fingerprint", default="", help="that the files must have; empty: any")
    parser.add_argument("--data_path_file", type=Path, required=True, help="where to write the folder")
    parser.add_argument("--fingerprint_file", type=Path, required=True, help="where to write the fingerprint")
    args = parser.parse_args(argv)
    try:
        folder = resolve(args.data, args.date, datetime.datetime.now(datetime.UTC).date())
        found = find(folder, ExampleGenParams.from_json(args.params), args.fingerprint)
    except InputError as error:
        print(f"{ERROR}{error}", file=sys.stderr)
        return error.exit_code
    print(f"data {folder}\nfingerprint {found}")
    for file, value in ((args.data_path_file, folder), (args.fingerprint_file, found)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
    return OK


if __name__ == "__main__":
    sys.exit(main())
