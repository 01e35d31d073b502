"""A report on a data set, for people."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING

from contract.nouns import plural
from contract.rating_scale import RatingScale
from pipeline.terminal.table import table

if TYPE_CHECKING:
    from datasets.report import Report

_BAR = 40


def text(report: Report) -> str:
    """Several lines: what was read, what is wrong with it, what is in it, what a run would do."""
    lines = [f"layout     {report.layout} ({_size(report.bytes)})"]
    lines += [f"           {format_}" for format_ in report.formats]
    lines += ["", "rows"]
    lines += [f"  {line}" for line in report.account.lines()]
    for name, rows in report.account.tables.items():
        lines += [f"    {count:,} {kind}" for kind, count in rows.bad.items()]
        lines += [f"    {count:,} left out: {why}" for why, count in rows.left_out.items()]
        lines += [f"      {row}" for row in report.bad_rows.get(name, ())]
    lines += [
        "",
        f"users      {report.users:,}",
        f"{plural(report.item_noun):<10} {report.items:,}, of which {report.rated_items:,} have an event",
        f"events     {report.events:,}, density {100 * report.density:.3g} %",
        f"time       {_span(report)}",
        "",
        table(
            ("events of one", *report.per_user),
            [
                (name, *(f"{n:,}" for n in counts.values()))
                for name, counts in (("user", report.per_user), (report.item_noun, report.per_item))
            ],
        ),
        "",
        _what(report),
        *_histogram(report.ratings),
    ]
    lines += ["", "columns, by the first rows", *(f"  {column}" for column in report.columns)]
    if report.years:
        lines += ["", "year", *_histogram(report.years)]
    if report.anomalies:
        lines += ["", "worth a look", *(f"  {anomaly}" for anomaly in report.anomalies)]
    lines.append("")
    if report.stops:
        return "\n".join(
            [*lines, "a run would stop", *(f"  {reason}" for reason in [*report.stops, *report.helps])]
        )
    sizes = [
        (name, f"{s.records:,}", f"{s.history:,}", f"{s.targets:,}") for name, s in report.splits.items()
    ]
    return "\n".join(
        [*lines, "a run would go on with", table(("split", "records", "history", "targets"), sizes)]
    )


def _what(report: Report) -> str:
    if report.rating_scale is None:
        return "weight of an event, of the strongest's"
    low, high = report.rating_scale
    return "stars" if RatingScale(low, high).in_stars else f"rating, on the scale {low:g} to {high:g}"


def _span(report: Report) -> str:
    if report.first_second is None or report.last_second is None:
        return "none: the rows are taken to be in the order of time"
    return f"{_date(report.first_second)} to {_date(report.last_second)}"


def _histogram(counts: Mapping[str, int]) -> list[str]:
    most, width = max(counts.values()), max(map(len, counts))
    return [
        f"  {name:>{width}}  {'#' * max(1, round(_BAR * count / most)):<{_BAR}}  {count:,}"
        for name, count in counts.items()
    ]


def _date(second: int) -> str:
    return f"{datetime.datetime.fromtimestamp(second, datetime.UTC):%Y-%m-%d %H:%M:%S}"


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} GB"
