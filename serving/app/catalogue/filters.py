"""A request's filters over the catalogue's columns: what holds where the model does not answer.

The rules are those of the model's graph (docs/reference/signatures.md): of the conditions on one
column of values any must hold, of those on one column of numbers all; every column's must. An item
without a value meets none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import numpy as np

import contract
from serving.app.catalogue.catalogue import Catalogue
from serving.app.errors import BadRequestError
from serving.app.results import Wishes

_CONDITION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*(<=|>=|=)\s*(.*?)\s*", re.DOTALL)


def matching(catalogue: Catalogue, wishes: Wishes) -> np.ndarray:
    """bool[N]: which items the filters let through; exclusions are not filters.

    Raises:
      BadRequestError: a condition of no known form or column.
    """
    mask = np.ones(len(catalogue), bool)
    if wishes.genres:
        mask &= _any_of(catalogue, contract.GENRES, wishes.genres)
    if wishes.year_min:
        mask &= catalogue.years >= wishes.year_min
    if wishes.year_max:
        mask &= catalogue.years <= wishes.year_max
    wanted: dict[str, list[str]] = {}
    for place, text in enumerate(wishes.where):
        name, operator, value = _parsed(catalogue, place, text)
        if name in catalogue.numbers:
            mask &= _compared(catalogue.numbers[name], operator, float(value))
        else:
            wanted.setdefault(name, []).append(value)
    for name, values in wanted.items():
        mask &= _any_of(catalogue, name, values)
    return mask


def _parsed(catalogue: Catalogue, place: int, text: str) -> tuple[str, str, str]:
    match = _CONDITION.fullmatch(text)
    numbers, values = sorted(catalogue.numbers), sorted(catalogue.values)
    rule = (
        f"expected COLUMN=VALUE for {', '.join(values) or 'no column'}, "
        f"COLUMN=NUMBER, COLUMN<=NUMBER or COLUMN>=NUMBER for {', '.join(numbers)}"
    )
    if match is None:
        raise BadRequestError(f"where.{place}", f"{text!r} is no condition: {rule}")
    name, operator, value = match[1].lower(), match[2], match[3]
    if name in catalogue.numbers:
        if not _is_number(value):
            raise BadRequestError(f"where.{place}", f"{text!r} compares with what is no number: {rule}")
    elif name not in catalogue.values or operator != "=":
        raise BadRequestError(f"where.{place}", f"{text!r} is of no column of that kind: {rule}")
    return name, operator, value


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def _compared(numbers: np.ndarray, operator: str, bound: float) -> np.ndarray:
    bound = float(np.float32(bound))  # the graph compares in float32
    values = numbers.astype(np.float32)
    if operator == "=":
        return values == bound
    return values <= bound if operator == "<=" else values >= bound


def _any_of(catalogue: Catalogue, name: str, values: Iterable[str]) -> np.ndarray:
    mask = np.zeros(len(catalogue), bool)
    rows_of = catalogue.values.get(name, {})
    for value in values:
        rows = rows_of.get(value)
        if rows is not None:
            mask[rows] = True
    return mask
