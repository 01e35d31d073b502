"""What differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MOST = 200  # differences of the config that are listed


def of(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """`metrics`, `slices`, `steps`: rows of both; `config`: keys whose values differ."""
    return {
        "metrics": _paired(left.get("metrics", ()), right.get("metrics", ()), ("metric",), "value"),
        "slices": _paired(left.get("slices", ()), right.get("slices", ()), ("feature", "value"), "recall@10"),
        "gates": _paired(left["gates"], right["gates"], ("gate",), "value"),
        "steps": _paired(left["steps"], right["steps"], ("step",), "seconds"),
        "config": list(_differences(left["lineage"]["config"], right["lineage"]["config"]))[:_MOST],
        "data_differs": left["lineage"]["data"] != right["lineage"]["data"],
    }


def _paired(left: Any, right: Any, keys: tuple[str, ...], value: str) -> list[dict[str, Any]]:
    """A row for each name that either side has, in their order."""
    sides = [{tuple(row[key] for key in keys): row for row in rows} for rows in (left, right)]
    found = []
    for name in dict.fromkeys((*sides[0], *sides[1])):
        a, b = (side.get(name) for side in sides)
        ours: Any = a[value] if a else None
        theirs: Any = b[value] if b else None
        both = isinstance(ours, int | float) and isinstance(theirs, int | float)
        found.append(
            {"name": " ".join(map(str, name)), "left": ours, "right": theirs,
             "change": float(theirs) - float(ours) if both else None, "a": a, "b": b}
        )  # fmt: skip
    return found


def _differences(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, left, right), keys with dots."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(left.keys() | right.keys()):
            yield from _differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
    elif left != right:
        yield path, left, right
