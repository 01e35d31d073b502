"""A small bar chart as the numbers that its SVG needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

WIDTH, HEIGHT, _GAP, _WIDEST = 480, 150, 6.0, 48.0
_TOP, _BOTTOM = 18.0, 20.0


@dataclasses.dataclass(frozen=True)
class Bar:
    """One bar; lengths in units of the SVG."""

    label: str
    value: float
    x: float
    y: float
    width: float
    height: float


def bars(values: Sequence[tuple[str, float]]) -> list[Bar]:
    """Bars from zero, left to right, the highest as high as the chart."""
    if not values:
        return []
    step = min(_WIDEST + _GAP, WIDTH / len(values))
    most = max(value for _, value in values) or 1.0
    room = HEIGHT - _TOP - _BOTTOM
    return [
        Bar(
            label, value, at * step, _TOP + room * (1 - max(0.0, value) / most), step - _GAP,
            room * max(0.0, value) / most,
        )
        for at, (label, value) in enumerate(values)
    ]  # fmt: skip
