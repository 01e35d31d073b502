"""What a visitor wants of the list: the fields of the form, kept in a cookie, as `Wishes`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from serving.app.catalogue.catalogue import Catalogue
from serving.app.link.snapshot import Snapshot
from serving.app.results import Wishes

# Columns with more values than this have a search of their own, not a list to choose from.
_MOST_CHOICES: Final = 80
_TASTES_SHOWN: Final = 10
TASTE_STEPS: Final = 5


@dataclasses.dataclass(frozen=True)
class Choice:
    """A filter by a column of values.

    Attributes:
      column: its name.
      values: most frequent first.
    """

    column: str
    values: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Form:
    """What the form offers for one version's data, and what is chosen.

    Attributes:
      tastes: values of the taste column, most frequent first.
      choices: filters by value.
      ranges: columns of numbers, with the lowest and highest value.
      chosen: field -> value, as the form sends it; nothing that is neutral.
    """

    tastes: Sequence[str]
    choices: Sequence[Choice]
    ranges: Sequence[tuple[str, float, float]]
    chosen: Mapping[str, str]

    @property
    def filtered(self) -> bool:
        return any(not name.startswith(("taste.", "diversity")) for name in self.chosen)


def form(snapshot: Snapshot, given: Mapping[str, Any]) -> Form:
    """The form of a version; fields of another version's data are dropped."""
    catalogue = snapshot.catalogue
    taste = snapshot.taste_column
    tastes = list(catalogue.values.get(taste, ()))[:_TASTES_SHOWN] if taste else []
    choices = [
        Choice(name, sorted(values))
        for name, values in catalogue.values.items()
        if 1 < len(values) <= _MOST_CHOICES
    ]
    ranges = []
    for name, numbers in catalogue.numbers.items():
        known = numbers[numbers == numbers]
        if len(known) and known.min() < known.max():
            ranges.append((name, float(known.min()), float(known.max())))
    fields = {f"taste.{value}" for value in tastes} | {"diversity"}
    fields |= {f"is.{choice.column}" for choice in choices}
    fields |= {f"{end}.{name}" for name, _, _ in ranges for end in ("min", "max")}
    chosen = {
        name: str(value)
        for name, value in given.items()
        if name in fields and _says(name, str(value)) and _there(catalogue, name, str(value))
    }
    return Form(tastes, choices, ranges, chosen)


def wishes(made: Form, k: int) -> Wishes:
    """The chosen fields as the service takes them."""
    where, tastes = [], {}
    for name, value in made.chosen.items():
        kind, _, column = name.partition(".")
        if kind == "taste":
            tastes[column] = float(value)
        elif kind == "is":
            where.append(f"{column}={value}")
        elif kind in ("min", "max"):
            where.append(f"{column}{'>=' if kind == 'min' else '<='}{float(value):g}")
    diversity = float(made.chosen.get("diversity", 0)) / 100
    return Wishes(k=k, where=where, tastes=tastes, diversity=diversity)


def _there(catalogue: Catalogue, name: str, value: str) -> bool:
    """Whether some item has the value of a choice: an older version's may have had it alone."""
    kind, _, column = name.partition(".")
    return kind != "is" or value in catalogue.values[column]


def _says(name: str, value: str) -> bool:
    """Whether a field says something: a neutral one, or one that is no number where one belongs, does not."""
    if name.startswith("is."):
        return bool(value)
    try:
        number = float(value)
    except ValueError:
        return False
    if name.startswith("taste."):
        return 0 < number <= TASTE_STEPS
    return 0 < number <= 100 if name == "diversity" else abs(number) < 1e15
