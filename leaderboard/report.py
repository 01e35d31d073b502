"""A finished leaderboard as tables, as JSON and as bars."""

from __future__ import annotations

import dataclasses
import html
from typing import Any, Final

import numpy as np
import pandas as pd

from components.common.metrics.registry import lower_is_better
from leaderboard.run import Board

JSON: Final = "report.json"
TEXT: Final = "report.txt"
TABLE: Final = "report.csv"
PLOT: Final = "report.svg"

_BAR, _LABEL, _PANEL = 14, 150, 260


def figures(board: Board) -> pd.DataFrame:
    """Every measured value, a row each: columns users, model, metric, seed, value.

    users is "all" or, where the protocol has them, "confirmatory"; value is the mean over
    those users, NaN where none of them is measured.
    """
    return pd.DataFrame(
        [
            (users, entry.model, metric, seed, value)
            for users, among in _groups(board).items()
            for entry in board.entries
            for metric in board.metrics
            # A model that draws nothing is fitted once, with the first seed.
            for seed, value in zip(board.settings.seeds, entry.values(metric, among), strict=False)
        ],
        columns=["users", "model", "metric", "seed", "value"],
    )


def summary(board: Board) -> pd.DataFrame:
    """Columns mean and deviation over the seeds, indexed by users, model and metric.

    The deviation is the sample's (one degree of freedom less), 0 for one seed.
    """
    by_figure = figures(board).groupby(["users", "model", "metric"], sort=False)["value"]
    return by_figure.agg(mean="mean", deviation="std").fillna({"deviation": 0.0})


def _groups(board: Board) -> dict[str, np.ndarray | None]:
    """users -> bool[users], or None for all of them."""
    confirmatory = board.protocol.final.confirmatory
    return {"all": None, **({"confirmatory": confirmatory} if confirmatory.any() else {})}


def as_dict(board: Board) -> dict[str, Any]:
    """Everything, for JSON: values by seed, of all users and of the confirmatory ones."""
    found, seeds = summary(board), figures(board).groupby(["users", "model", "metric"])["value"].agg(list)

    def values(users: str, model: str) -> dict[str, Any]:
        if users not in _groups(board):
            return {}
        keys = {metric: (users, model, metric) for metric in board.metrics}
        return {metric: {**found.loc[key].to_dict(), "seeds": seeds[key]} for metric, key in keys.items()}

    return {
        "protocol": board.protocol.name,
        "data": board.protocol.description,
        "trials": board.settings.trials,
        "tuned_on": board.settings.tune_on,
        "seeds": list(board.settings.seeds),
        "given": {
            model: dict(hyperparameters) for model, hyperparameters in board.settings.hyperparameters.items()
        },
        "models": {
            entry.model: {
                "all": values("all", entry.model),
                "confirmatory": values("confirmatory", entry.model),
                "users": len(entry.fits[0].metrics.users),
                "fit_seconds": [fit.seconds for fit in entry.fits],
                "query_milliseconds": [1e3 * fit.metrics.seconds_per_query for fit in entry.fits],
                "parameters": entry.fits[0].parameters,
                "hyperparameters": entry.hyperparameters,
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


def rows(board: Board, users: str) -> tuple[list[str], list[list[str]]]:
    """(header, one row a model), for a table; mean ± standard deviation over the seeds.

    Args:
      users: "all" or "confirmatory".
    """
    found = summary(board).loc[users]
    header = ["model", *board.metrics, "fit s", "query ms", "parameters", "seeds"]
    lines = [
        [
            entry.model,
            *(_cell(found.loc[(entry.model, metric)], len(entry.fits)) for metric in board.metrics),
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


def _cell(found: pd.Series, seeds: int) -> str:
    return f"{found['mean']:.4f}" + (f" ±{found['deviation']:.4f}" if seeds > 1 else "")


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
        hyperparameters = ", ".join(
            f"{key}={value}" for key, value in entry.hyperparameters.items() if value is not None
        )
        tried = f"of {len(entry.trials)} tried" if entry.trials else "nothing to choose"
        lines.append(f"  {entry.model}: {hyperparameters or 'defaults'} ({tried})")
    return lines


def svg(board: Board) -> str:
    """Horizontal bars, a panel per metric, a whisker of one standard deviation over the seeds."""
    # No confirmatory user may have a relevant target: then there is no figure, and no bar.
    found = summary(board).fillna(0.0)
    groups = list(_groups(board))
    width = _LABEL + _PANEL * len(board.metrics) + 20
    panel_height = _BAR * len(board.entries) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{panel_height * len(groups)}" '
        'font-family="sans-serif" font-size="10">'
    ]
    for number, users in enumerate(groups):
        top = number * panel_height + 30
        parts.append(f'<text x="4" y="{top - 14}" font-weight="bold">{users} users</text>')
        for i, entry in enumerate(board.entries):
            parts.append(f'<text x="4" y="{top + i * _BAR + 10}">{html.escape(entry.model)}</text>')
        for column, metric in enumerate(board.metrics):
            values = found.loc[users].xs(metric, level="metric")
            parts += _panel(metric, values, board.focus, _LABEL + column * _PANEL, top)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(metric: str, values: pd.DataFrame, focus: str, left: int, top: int) -> list[str]:
    """Bars of one metric; values: mean and deviation, indexed by model in the order of the board."""
    scale = (_PANEL - 70) / (values.sum(axis=1).max() or 1.0)
    parts = [f'<text x="{left}" y="{top - 14}" font-weight="bold">{html.escape(metric)}</text>']
    for i, (model, mean, deviation) in enumerate(values.itertuples()):
        y, end, spread = top + i * _BAR, scale * mean, scale * deviation
        colour = "#c2410c" if model == focus else "#64748b"
        parts.append(f'<rect x="{left}" y="{y}" width="{end:.1f}" height="{_BAR - 3}" fill="{colour}"/>')
        if spread:
            middle = y + (_BAR - 3) / 2
            parts.append(
                f'<line x1="{left + end - spread:.1f}" x2="{left + end + spread:.1f}" y1="{middle}" '
                f'y2="{middle}" stroke="black"/>'
            )
        parts.append(f'<text x="{left + end + spread + 4:.1f}" y="{y + 10}">{mean:.4f}</text>')
    return parts
