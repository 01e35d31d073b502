"""What was measured as tables, as JSON and as a plot."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from benchmarks.behaviour import cold_start, diversity, explanation, measured, new_items, similar
from benchmarks.behaviour.run import Behaviour

# (title, header, rows)
Table = tuple[str, list[str], list[list[str]]]

_WIDTH, _HEIGHT, _LEFT, _LINE = 380, 250, 150, 15


class _Figures(Protocol):
    def mean(self, metric: str) -> float: ...


def tables(found: Behaviour) -> list[Table]:
    people, items, near, why = found.cold_start, found.new_items, found.similar, found.explanation
    pairs, unrated = items.pairs
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
    panels = [
        _bars("recall@20 by what is known", known, "{:.3f}"),
        _curve("recall@10 against unlikeness, by diversity", points),
        _bars("co-rating lift of ten items", lifts, "{:.2f}"),
    ]
    shifted = [f'<g transform="translate({i * _WIDTH}, 0)">\n{panel}\n</g>' for i, panel in enumerate(panels)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH * len(panels)}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="10">'
    )
    return "\n".join([head, *shifted, "</svg>"]) + "\n"


def _title(text: str) -> str:
    return f'<text x="4" y="16" font-weight="bold">{html.escape(text)}</text>'


def _bars(title: str, values: Mapping[str, float], form: str) -> str:
    scale = (_WIDTH - _LEFT - 60) / (max(values.values()) or 1.0)
    parts = [_title(title)]
    for i, (name, value) in enumerate(values.items()):
        y, length = 30 + i * _LINE, scale * value
        parts += [
            f'<text x="4" y="{y + 10}">{html.escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_LINE - 4}" fill="#c2410c"/>',
            f'<text x="{_LEFT + length + 4:.1f}" y="{y + 10}">{form.format(value)}</text>',
        ]
    return "\n".join(parts)


def _curve(title: str, points: Mapping[str, tuple[float, float]]) -> str:
    """Points (x, y) joined in their order, each with its name; y from 0, x from the least to the most."""
    xs, ys = zip(*points.values(), strict=True)
    left, low, wide, high = 40, _HEIGHT - 30, _WIDTH - 80, _HEIGHT - 80
    step = wide / ((max(xs) - min(xs)) or 1.0)
    at = [(left + step * (x - min(xs)), low - high * y / (max(ys) or 1.0)) for x, y in points.values()]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    parts = [
        _title(title),
        f'<line x1="{left}" x2="{left + wide}" y1="{low}" y2="{low}" stroke="#64748b"/>',
        f'<text x="{left}" y="{low + 14}">{min(xs):.2f}</text>',
        f'<text x="{left + wide - 20}" y="{low + 14}">{max(xs):.2f}</text>',
        f'<polyline points="{line}" fill="none" stroke="#c2410c"/>',
    ]
    parts += [
        f'<line x1="{left}" x2="{left}" y1="{low}" y2="{low - high}" stroke="#64748b"/>',
        f'<text x="4" y="{low}">0</text>',
        f'<text x="4" y="{low - high + 4}">{max(ys):.3f}</text>',
    ]
    for i, ((x, y), (name, point)) in enumerate(zip(at, points.items(), strict=True)):
        # Above and below in turn: the first values lie close together.
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#c2410c">'
            f"<title>{html.escape(name)}: {point[1]:.4f} at {point[0]:.4f}</title></circle>",
            f'<text x="{x - 5:.1f}" y="{y + (16 if i % 2 else -8):.1f}">{html.escape(name)}</text>',
        ]
    return "\n".join(parts)
