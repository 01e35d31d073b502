"""Conditions on a catalogue's columns as people type them: "brand=acme", "price<=20"."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components.common.features import FeatureSpec
from pipeline.errors import InputError

_CONDITION = re.compile(
    r"\s*(?P<column>[A-Za-z][A-Za-z0-9_]*)\s*(?P<sign><=|>=|=)\s*(?P<value>.*?)\s*", re.DOTALL
)


@dataclasses.dataclass(frozen=True)
class Condition:
    """`column` `sign` `value`, where the sign is =, <= or >=; of columns of values always =."""

    column: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"


def parse(texts: Iterable[str], specs: Sequence[FeatureSpec] | None) -> tuple[Condition, ...]:
    """The conditions, each on one of the features that filter; None takes any column.

    Raises:
      InputError: what is no condition; says what is.
    """
    return tuple(_parse(text, specs) for text in texts)


def _parse(text: str, specs: Sequence[FeatureSpec] | None) -> Condition:
    kinds = {spec.name: spec.kind for spec in specs or () if spec.filters}
    columns = ", ".join(
        f"{name} (a number: <= or >=)" if kind == "number" else name for name, kind in kinds.items()
    )
    found = _CONDITION.fullmatch(text)
    if not found:
        raise InputError(
            f'--where "{text}": expected COLUMN=VALUE, COLUMN<=NUMBER or COLUMN>=NUMBER of {columns or "any"}'
        )
    column, sign, value = found["column"].lower(), found["sign"], found["value"]
    if specs is None:
        return Condition(column, sign, value)
    if column not in kinds:
        near = difflib.get_close_matches(column, kinds, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {columns}"
        raise InputError(f'--where "{text}": no column of this model\'s items is called {column}; {hint}')
    if kinds[column] == "number":
        try:
            finite = math.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            raise InputError(f'--where "{text}": {column} is a number; expected one, got "{value}"')
    elif sign != "=":
        raise InputError(f'--where "{text}": {column} has values, not numbers; expected {column}=VALUE')
    return Condition(column, sign, value)


def meets(item: Mapping[str, Any], conditions: Iterable[Condition]) -> bool:
    """Whether an item meets conditions as the model reads them.

    Of those on one column of values any must hold, of those on one of numbers all,
    and every column's must.

    Args:
      item: a row of the model's catalogue (contract.CATALOGUE).
    """
    any_of: dict[str, bool] = {}
    for condition in conditions:
        cell = item[condition.column]
        values = [cell] if isinstance(cell, int) else list(cell)
        if values and isinstance(values[0], int | float):
            # A column of numbers is float32, and so is the bound in the model.
            bound, number = array("f", [float(condition.value)])[0], values[0]
            signs = {"<=": number <= bound, ">=": number >= bound, "=": number == bound}
            # A year of 0 is none.
            if not signs[condition.sign] or (isinstance(number, int) and not number):
                return False
            continue
        met = bool(values) and condition.value in values
        any_of[condition.column] = any_of.get(condition.column, False) or met
    return all(any_of.values())
