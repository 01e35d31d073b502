"""The findings for a terminal, a browser, a program and Prometheus."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from pipeline.drift.checks import Finding
from pipeline.terminal.table import table

_HEADER = ("check", "value", "bound", "verdict", "why")


def word(finding: Finding) -> str:
    if finding.value is None:
        return "not judged"
    return "drift" if finding.drifted else "ok"


def text(findings: Sequence[Finding]) -> str:
    return table(_HEADER, [_row(finding) for finding in findings])


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    value, bound = (
        "-" if number is None or math.isnan(number) else f"{number:.4g}"
        for number in (finding.value, finding.bound)
    )
    return (finding.check, value, bound, word(finding), finding.why)


def document(findings: Sequence[Finding], **about: Any) -> dict[str, Any]:
    return {
        **about,
        "drifted": [finding.check for finding in findings if finding.drifted],
        "checks": [{**dataclasses.asdict(finding), "verdict": word(finding)} for finding in findings],
    }


def gauges(findings: Sequence[Finding], now: float) -> str:
    """Prometheus's text format, for node_exporter's textfile collector.

    Args:
      now: Unix seconds.
    """
    lines = []
    for name, told, value in (
        ("marquee_drift_value", "What a check of marquee drift measured.", lambda one: one.value),
        ("marquee_drift_exceeded", "1 where a check is past its bound.", lambda one: float(one.drifted)),
    ):
        lines += [f"# HELP {name} {told}", f"# TYPE {name} gauge"]
        lines += [
            f'{name}{{check="{_escaped(one.check)}"}} {value(one):g}'
            for one in findings
            if one.value is not None
        ]
    name = "marquee_drift_checked_timestamp_seconds"
    lines += [f"# HELP {name} When marquee drift ran last.", f"# TYPE {name} gauge", f"{name} {now:.0f}"]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
