"""A finished leaderboard as tables, as JSON and as bars."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np
import pandas as pd

from components.common.metrics.registry import lower_is_better
from components.common.plots import plot
from leaderboard.run import Board

JSON: Final = "report.json"
TEXT: Final = "report.txt"
TABLE: Final = "report.csv"
PLOT: Final = "report.svg"


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
    found, groups = summary(board), list(_groups(board))
    # In a file of its own, where nothing scales it: as wide as it needs.
    size = (2.2 + 0.2 * len(board.entries)) * len(groups), 3.2 * len(board.metrics)
    with plot.figure(*size, columns=len(board.metrics), rows=len(groups)) as canvas:
        panels, words = iter(canvas.axes), []
        for users in groups:
            for metric in board.metrics:
                of_metric = found.loc[users].xs(metric, level="metric")
                values, errors = of_metric["mean"].to_dict(), of_metric["deviation"].to_dict()
                axes = next(panels)
                axes.set_title(f"{metric}, {users} users")
                plot.draw_bars(axes, values, errors, "{:.4f}", [board.focus])
                words.append(f"{metric}, {users} users: {plot.words_of(values, errors, '{:.4f}')}")
        return plot.finish(canvas, f"{board.protocol.name}: {', '.join(board.metrics)}", "; ".join(words)).svg
