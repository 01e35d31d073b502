"""The document as one HTML file: no script, and nothing that would be fetched."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.nouns import plural
from pipeline.report import charts, compared

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def report(document: dict[str, Any]) -> str:
    """The page of a run."""
    return _environment().get_template("report.html").render(
        **_defaults(document),
        plots={
            "metrics": charts.of_metrics(document),
            "slices": charts.of_slices(document),
            "training": charts.of_training(document),
            "health": charts.of_health(document),
            "map": charts.of_map(document),
            "steps": charts.of_steps(document),
        },
    )  # fmt: skip


def comparison(left: dict[str, Any], right: dict[str, Any]) -> str:
    """Two runs side by side."""
    return _environment().get_template("compare.html").render(
        left=_defaults(left), right=_defaults(right), **compared.of(left, right)
    )  # fmt: skip


def drift(document: dict[str, Any]) -> str:
    """The page of `marquee drift`; `document` as of pipeline.drift.written."""
    return _environment().get_template("drift.html").render(**document)


def _defaults(document: dict[str, Any]) -> dict[str, Any]:
    """With every part that may be missing, empty."""
    empty: dict[str, Any] = {
        "metrics": [], "slices": [], "paired": None, "pushed_version": "", "data": {},
        "training": {},
        "health": {}, "examples": [], "cold_start": [], "similar": [], "map": [],
    }  # fmt: skip
    noun = document.get("noun", "item")
    return {**empty, **document, "noun": noun, "nouns": plural(noun)}


@functools.cache
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "change": change,
        "moment": moment,
        "indented": _indented,
    }
    return environment


def number(value: Any, digits: int = 4) -> str:
    """At most so many significant digits; what is unknown is a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.{digits}g}"


def percent(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.3g} %"


def change(value: float | None) -> str:
    """With its sign."""
    return "–" if value is None or not math.isfinite(value) else f"{value:+.4f}"


def moment(value: str) -> str:
    """Of ISO 8601 in UTC, for a person."""
    return value.replace("T", " ").replace("+00:00", " UTC")


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
