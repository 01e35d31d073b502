"""A finished leaderboard as a table, as JSON and as bars."""

from __future__ import annotations

import dataclasses
import html
from typing import Any, Final

import numpy as np

from components.common.metrics.registry import lower_is_better
from leaderboard.run import Board, Entry

JSON: Final = "report.json"
TEXT: Final = "report.txt"
PLOT: Final = "report.svg"

_BAR, _LABEL, _PANEL = 14, 150, 260


def as_dict(board: Board) -> dict[str, Any]:
    """Everything, for JSON: values by seed, of all users and of the confirmatory ones."""
    confirmatory = board.protocol.final.confirmatory
    return {
        "protocol": board.protocol.name,
        "data": board.protocol.description,
        "trials": board.settings.trials,
        "tuned_on": board.settings.tune_on,
        "seeds": list(board.settings.seeds),
        "given": {model: dict(knobs) for model, knobs in board.settings.knobs.items()},
        "models": {
            entry.model: {
                "all": {metric: _summary(entry.values(metric)) for metric in board.metrics},
                "confirmatory": {
                    metric: _summary(entry.values(metric, confirmatory)) for metric in board.metrics
                }
                if confirmatory.any()
                else {},
                "users": len(entry.fits[0].metrics.users),
                "fit_seconds": [fit.seconds for fit in entry.fits],
                "query_milliseconds": [1e3 * fit.metrics.seconds_per_query for fit in entry.fits],
                "parameters": entry.fits[0].parameters,
                "knobs": entry.knobs,
                "trials": [dataclasses.asdict(trial) for trial in entry.trials],
            }
            for entry in board.entries
        },
        "bounds": board.bounds,
        "focus": board.focus,
        "comparisons": {
            group: [{**dataclasses.asdict(found), "verdict": found.verdict} for found in comparisons]
            for group, comparisons in board.comparisons.items()
        },
    }


def _summary(values: np.ndarray) -> dict[str, Any]:
    """Mean, sample standard deviation (0 for one seed) and the seeds' values."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(values.mean()), "deviation": spread, "seeds": values.tolist()}


def rows(board: Board, confirmatory: bool) -> tuple[list[str], list[list[str]]]:
    """(header, one row a model), for a table; mean ± standard deviation over the seeds."""
    among = board.protocol.final.confirmatory if confirmatory else None
    header = ["model", *board.metrics, "fit s", "query ms", "parameters", "seeds"]
    lines = [
        [
            entry.model,
            *(_cell(entry, metric, among) for metric in board.metrics),
            f"{np.mean([fit.seconds for fit in entry.fits]):.1f}",
            f"{np.mean([1e3 * fit.metrics.seconds_per_query for fit in entry.fits]):.2f}",
            f"{entry.fits[0].parameters:,}",
            str(len(entry.fits)),
        ]
        for entry in board.entries
    ]
    for name, values in board.bounds.items():
        cells = [f"{values[metric]:.4f}" if metric in values else "-" for metric in board.metrics]
        lines.append([name, *cells, "-", "-", "-", "-"])
    return header, lines


def _cell(entry: Entry, metric: str, among: np.ndarray | None) -> str:
    found = _summary(entry.values(metric, among))
    return f"{found['mean']:.4f}" + (f" ±{found['deviation']:.4f}" if len(entry.fits) > 1 else "")


def sentences(board: Board) -> list[str]:
    """The comparisons in words, and how the models were tuned."""
    lines = []
    for group, comparisons in board.comparisons.items():
        lines.append(f"{board.focus} against the strongest other model, {group} users, 95 % of resamples:")
        for found in comparisons:
            lines.append(
                f"  {found.metric}: {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}] "
                f"against {found.other}, {found.users:,} users: {found.verdict}"
                + (" (lower is better)" if lower_is_better(found.metric) else "")
            )
    lines.append(f"tuned on eval {board.settings.tune_on}, {board.settings.trials} trials each:")
    for entry in board.entries:
        knobs = ", ".join(f"{key}={value}" for key, value in entry.knobs.items() if value is not None)
        tried = f"of {len(entry.trials)} tried" if entry.trials else "nothing to choose"
        lines.append(f"  {entry.model}: {knobs or 'defaults'} ({tried})")
    return lines


def svg(board: Board) -> str:
    """Horizontal bars, a panel per metric, a whisker of one standard deviation over the seeds."""
    groups: list[tuple[str, np.ndarray | None]] = [("all users", None)]
    if board.protocol.final.confirmatory.any():
        groups.append(("confirmatory users", board.protocol.final.confirmatory))
    width = _LABEL + _PANEL * len(board.metrics) + 20
    panel_height = _BAR * len(board.entries) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{panel_height * len(groups)}" '
        'font-family="sans-serif" font-size="10">'
    ]
    for number, (group, among) in enumerate(groups):
        top = number * panel_height + 30
        parts.append(f'<text x="4" y="{top - 14}" font-weight="bold">{html.escape(group)}</text>')
        for i, entry in enumerate(board.entries):
            parts.append(f'<text x="4" y="{top + i * _BAR + 10}">{html.escape(entry.model)}</text>')
        for column, metric in enumerate(board.metrics):
            parts += _panel(board, metric, among, _LABEL + column * _PANEL, top)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(board: Board, metric: str, among: np.ndarray | None, left: int, top: int) -> list[str]:
    # No confirmatory user may have a relevant target: then there is no figure, and no bar.
    found = [_summary(np.nan_to_num(entry.values(metric, among))) for entry in board.entries]
    longest = max((summary["mean"] + summary["deviation"] for summary in found), default=0.0) or 1.0
    scale = (_PANEL - 70) / longest
    parts = [f'<text x="{left}" y="{top - 14}" font-weight="bold">{html.escape(metric)}</text>']
    for i, (entry, summary) in enumerate(zip(board.entries, found, strict=True)):
        y, end = top + i * _BAR, scale * summary["mean"]
        colour = "#c2410c" if entry.model == board.focus else "#64748b"
        parts.append(f'<rect x="{left}" y="{y}" width="{end:.1f}" height="{_BAR - 3}" fill="{colour}"/>')
        if spread := scale * summary["deviation"]:
            middle = y + (_BAR - 3) / 2
            parts.append(
                f'<line x1="{left + end - spread:.1f}" x2="{left + end + spread:.1f}" y1="{middle}" '
                f'y2="{middle}" stroke="black"/>'
            )
        parts.append(f'<text x="{left + end + spread + 4:.1f}" y="{y + 10}">{summary["mean"]:.4f}</text>')
    return parts
