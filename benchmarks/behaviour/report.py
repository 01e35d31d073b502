"""What was measured as tables, as JSON and as a plot."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from benchmarks.behaviour import cold_start, diversity, explanation, measured, new_items, similar
from benchmarks.behaviour.run import Behaviour
from components.common.plots import plot

# (title, header, rows)
Table = tuple[str, list[str], list[list[str]]]


class _Figures(Protocol):
    def mean(self, metric: str) -> float: ...


def tables(found: Behaviour) -> list[Table]:
    people, items, near, why = found.cold_start, found.new_items, found.similar, found.explanation
    pairs, unrated, refreshed = items.pairs
    parts = [
        _table(
            f"new people ({people.users} people): what is known of them", people.known, cold_start.METRICS
        ),
        _table(
            f"new items: {pairs:,} pairs of a person and an item liked later, made new; told of it",
            items.hidden,
            new_items.METRICS,
        ),
    ]
    if items.unrated:
        title = f"new items: {unrated:,} pairs with an item that has no train rating; told of it"
        parts.append(_table(title, items.unrated, new_items.METRICS))
    if items.refreshed:
        title = f"new items: {refreshed:,} pairs with an item that came with a refresh; told of it"
        parts.append(_table(title, items.refreshed, new_items.METRICS))
    agreement = ("same_first", "same_five", "tau", "largest_error", "within_reach")
    parts += [
        (
            f"explanations: {why.recommendations} recommendations to {why.users} people, by leave-one-out",
            ["agreement", "value"],
            [[name.replace("_", " "), f"{getattr(why, name):.4g}"] for name in agreement],
        ),
        _table("explanations: taken out of the history", why.fall, (explanation.FALL,)),
        _table(
            "diversity of the first ten",
            {f"{value:g}": figures for value, figures in found.diversity.items()},
            diversity.METRICS,
        ),
        _table(
            f"similar: ten items for each of {near.anchors:,} with {near.least} train ratings or more",
            near.lists,
            similar.METRICS,
            {"mean ratings": near.ratings},
        ),
    ]
    text = [
        [name, f"{c.difference:+.4f}", f"[{c.low:+.4f}, {c.high:+.4f}]", c.metric, c.other, c.verdict]
        for name, c in found.comparisons.items()
    ]
    header = ["difference", "mean", "95 % of resamples", "of", "against", "verdict"]
    return [*parts, ("what it is held against", header, text)]


def _table(
    title: str,
    lines: Mapping[str, _Figures],
    metrics: Sequence[str],
    more: Mapping[str, Mapping[str, float]] | None = None,
) -> Table:
    more = more or {}
    rows = [
        [
            name,
            *(f"{figures.mean(metric):.4f}" for metric in metrics),
            *(f"{of_lines[name]:.1f}" for of_lines in more.values()),
        ]
        for name, figures in lines.items()
    ]
    return title, ["", *metrics, *more], rows


def as_dict(found: Behaviour) -> dict[str, Any]:
    """Everything, for JSON."""

    def means(lines: Mapping[Any, _Figures], metrics: Sequence[str]) -> dict[str, dict[str, float]]:
        return {str(name): {m: figures.mean(m) for m in metrics} for name, figures in lines.items()}

    people, items, near, why = found.cold_start, found.new_items, found.similar, found.explanation
    numbers = {name: value for name, value in vars(why).items() if name != "fall"}
    return {
        "cold_start": {"users": people.users, "known": means(people.known, cold_start.METRICS)},
        "new_items": {
            "pairs": items.pairs,
            "hidden": means(items.hidden, new_items.METRICS),
            "unrated": means(items.unrated or {}, new_items.METRICS),
            "refreshed": means(items.refreshed or {}, new_items.METRICS),
        },
        "explanation": {**numbers, "fall": means(why.fall, (explanation.FALL,))},
        "diversity": means(found.diversity, diversity.METRICS),
        "similar": {
            "anchors": near.anchors,
            "lists": means(near.lists, similar.METRICS),
            "ratings": near.ratings,
        },
        "comparisons": {
            name: {**dataclasses.asdict(c), "verdict": c.verdict} for name, c in found.comparisons.items()
        },
    }


def svg(found: Behaviour) -> str:
    """Recall of new people, the trade-off of diversity, and the lift of similar items."""
    known = {name: figures.mean(measured.RECALL_20) for name, figures in found.cold_start.known.items()}
    lifts = {name: figures.mean(similar.LIFT) for name, figures in found.similar.lists.items()}
    points = {
        f"{value:g}": (figures.mean(diversity.UNLIKENESS), figures.mean(measured.RECALL_10))
        for value, figures in found.diversity.items()
    }
    with plot.figure(3.4, 13.0, columns=3) as canvas:
        people, curve, near = canvas.axes
        people.set_title("recall@20 by what is known")
        plot.draw_bars(people, known)
        curve.set_title("recall@10 against unlikeness, by diversity")
        curve.plot(*zip(*points.values(), strict=True), marker="o", color=plot.FOCUS)
        curve.set_ylim(bottom=0)
        for name, at in points.items():
            curve.annotate(name, at, (0, 6), textcoords="offset points", ha="center")
        near.set_title("co-rating lift of ten items")
        plot.draw_bars(near, lifts, form="{:.2f}")
        by_diversity = ", ".join(
            f"{name} {recall:.4f} at {apart:.4f}" for name, (apart, recall) in points.items()
        )
        words = (
            f"recall@20: {plot.words_of(known, None, '{:.3f}')}; recall@10 at unlikeness by diversity: "
            f"{by_diversity}; lift: {plot.words_of(lifts, None, '{:.2f}')}"
        )
        return plot.finish(canvas, "New people, diversity and similar items", words).svg
