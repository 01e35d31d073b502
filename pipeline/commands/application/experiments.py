"""`marquee experiments`: what the application's experiments say."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pipeline.commands.common import Subparsers, add_command, print_json

if TYPE_CHECKING:
    from serving.app.services.experiment_report import Difference, Report


def add_parser(subparsers: Subparsers) -> None:
    actions = subparsers.add_parser("experiments", help="Report on experiments.").add_subparsers(
        metavar="ACTION", required=True
    )
    parser = add_command(
        actions,
        "report",
        "People, lists, click, like and hide rates of each variant, differences with 95-percent intervals, "
        "and whether people are split as asked.",
        "marquee experiments report towers-2 --database sqlite:///artifacts/app/app.sqlite",
    )
    parser.add_argument("experiment", nargs="?", help="its id (default: the newest)")
    parser.add_argument(
        "--database", metavar="URL", help="of the application; also MARQUEE_APP_DATABASE (default its own)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    import dataclasses

    import sqlalchemy as sa

    from pipeline.commands.application.database import opened_url
    from pipeline.errors import InputError
    from serving.app.services import experiment_report
    from serving.app.store import database, experiment_counts, experiments

    engine = sa.create_engine(database.parse(opened_url(args.database)), hide_parameters=True)
    with engine.connect() as connection:
        known = experiments.read_all(connection)
        chosen = [one for one in known if args.experiment in (None, one.id)]
        if not chosen:
            names = ", ".join(one.id for one in known) or "none"
            raise InputError(f"there is no experiment {args.experiment or 'yet'}; there are: {names}")
        counts = experiment_counts.read(connection, chosen[0])
    engine.dispose()
    report = experiment_report.report(chosen[0], counts)
    if args.json:
        print_json(dataclasses.asdict(report))
    else:
        print(_text(report))
    return 0


def _text(report: Report) -> str:
    lines = [
        f"experiment {report.experiment}",
        f"{'variant':<20}{'people':>8}{'lists':>9}{'click':>9}{'like':>9}{'hide':>9}",
    ]
    for variant in report.variants:
        rates = "".join("      n/a" if rate is None else f"{rate:9.4f}" for rate in variant.rates.values())
        lines.append(f"{variant.name:<20}{variant.people:>8}{variant.exposures:>9}{rates}")
    for variant in report.variants[1:]:
        for name, difference in variant.differences.items():
            lines.append(f"{variant.name} - {report.variants[0].name}: {name} rate {_interval(difference)}")
    split = "n/a" if report.split_p is None else f"{report.split_p:.3g}"
    return "\n".join([*lines, f"split of people against the weights: p = {split}", *report.words])


def _interval(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.4f}, too few people or events for an interval"
    return f"{difference.value:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}"
