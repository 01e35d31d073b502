"""A request's filters over the catalogue's columns: what holds where the model does not answer.

The rules are those of the model's graph (docs/reference/signatures.md): of the conditions on one
column of values any must hold, of those on one column of numbers all, of those with != all; every
column's must. An item without a value meets none but those with !=.
"""

from __future__ import annotations

import collections
import difflib
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

import contract
from serving.app.catalogue.catalogue import Catalogue
from serving.app.errors import BadRequestError
from serving.app.results import Wishes

_CONDITION = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*(<=|>=|!=|=)\s*(.*?)\s*", re.DOTALL)

# Of an unknown value: how many known ones are shown, among how many a similar one is looked for, and how
# much of the value is compared. They bound the work of a wrong request.
_SHOWN, _SUGGESTED_OF, _SUGGESTED_LENGTH = 10, 100, 30

# What wishes hold several of: the limit of the model on how many.
_COUNTED = {
    "genres": "max_genres", "tastes": "max_genres", "where": "max_genres", "at_most": "max_genres",
    "candidates": "max_candidates", "boosts": "max_boosts",
}  # fmt: skip


def check(catalogue: Catalogue, limits: Mapping[str, float], wishes: Wishes) -> None:
    """Nothing, for wishes that this version can meet.

    Args:
      limits: of the model's description.

    Raises:
      BadRequestError: names the field, what came, and what may come.
    """
    if wishes.k > (most := limits["max_k"]):
        raise BadRequestError("k", f"k is at most {most:g} with this model, got {wishes.k}")
    for field, limit in _COUNTED.items():
        if (count := len(getattr(wishes, field) or ())) > (most := limits[limit]):
            raise BadRequestError(field, f"at most {most:g} {field} with this model ({limit}), got {count}")
    largest = limits["max_boost"]
    for item_id, boost in wishes.boosts.items():
        if abs(boost) > largest:
            raise BadRequestError(
                f"boosts.{item_id}", f"a boost is from {-largest:g} to {largest:g} (max_boost), got {boost:g}"
            )
    for name in wishes.at_most:
        if name not in catalogue.values:
            known = ", ".join(sorted(catalogue.values)) or "none"
            raise BadRequestError(f"at_most.{name}", f'there is no column of values "{name}"; known: {known}')
    _check_genres(catalogue, wishes)
    taste = catalogue.taste_column
    for value in wishes.tastes:
        if taste is None:
            raise BadRequestError(f"tastes.{value}", "the data of this model has no column of tastes")
        if taste in catalogue.values:
            _check_value(catalogue, f"tastes.{value}", taste, value)
    for place, text in enumerate(wishes.where):
        _parsed(catalogue, place, text)


class Room:
    """Which items of a list, read from its top, leave at most so many with the same value.

    Args:
      at_most: by column of values; others are not counted.
    """

    def __init__(self, catalogue: Catalogue, at_most: Mapping[str, int]) -> None:
        self._catalogue = catalogue
        self._at_most = at_most
        self._taken: collections.Counter[tuple[str, str]] = collections.Counter()

    def takes(self, row: int) -> bool:
        """Whether there is room for the item; if so it is counted."""
        values = {(name, value) for name in self._at_most for value in self._catalogue.values_of(name, row)}
        if any(self._taken[name, value] >= self._at_most[name] for name, value in values):
            return False
        self._taken.update(values)
        return True


def matching(catalogue: Catalogue, wishes: Wishes) -> np.ndarray:
    """bool[N]: which items filters and candidates let through; exclusions are neither.

    Raises:
      BadRequestError: a condition of no known form or column.
    """
    mask = np.ones(len(catalogue), bool)
    if wishes.genres:
        _check_genres(catalogue, wishes)
        mask &= _any_of(catalogue, contract.GENRES, wishes.genres)
    if wishes.year_min:
        mask &= catalogue.years >= wishes.year_min
    if wishes.year_max:
        mask &= catalogue.years <= wishes.year_max
    if wishes.candidates is not None:
        named = [row for item in wishes.candidates if (row := catalogue.row(item)) is not None]
        mask &= np.isin(np.arange(len(catalogue)), named)
    wanted: dict[str, list[str]] = {}
    for place, text in enumerate(wishes.where):
        name, operator, value = _parsed(catalogue, place, text)
        if name in catalogue.numbers:
            mask &= _compared(catalogue.numbers[name], operator, float(value))
        elif operator == "!=":
            mask &= ~_any_of(catalogue, name, [value])
        else:
            wanted.setdefault(name, []).append(value)
    for name, values in wanted.items():
        mask &= _any_of(catalogue, name, values)
    return mask


def _parsed(catalogue: Catalogue, place: int, text: str) -> tuple[str, str, str]:
    match = _CONDITION.fullmatch(text)
    numbers, values = sorted(catalogue.numbers), sorted(catalogue.values)
    rule = (
        f"expected COLUMN=VALUE or COLUMN!=VALUE for {', '.join(values) or 'no column'}, COLUMN=NUMBER, "
        f"COLUMN!=NUMBER, COLUMN<=NUMBER or COLUMN>=NUMBER for {', '.join(numbers)}"
    )
    if match is None:
        raise BadRequestError(f"where.{place}", f"{text!r} is no condition: {rule}")
    name, operator, value = match[1].lower(), match[2], match[3]
    if name in catalogue.numbers:
        if not _is_number(value):
            raise BadRequestError(f"where.{place}", f"{text!r} compares with what is no number: {rule}")
    elif name not in catalogue.values or operator not in ("=", "!="):
        raise BadRequestError(f"where.{place}", f"{text!r} is of no column of that kind: {rule}")
    elif operator == "=":
        # With != it is met by all: what a shop never shows may be out of stock.
        _check_value(catalogue, f"where.{place}", name, value)
    return name, operator, value


def _check_genres(catalogue: Catalogue, wishes: Wishes) -> None:
    if wishes.genres and contract.GENRES not in catalogue.values:
        raise BadRequestError("genres", "the data of this model has no column genres; see where")
    for place, value in enumerate(wishes.genres):
        _check_value(catalogue, f"genres.{place}", contract.GENRES, value)


def _check_value(catalogue: Catalogue, field: str, name: str, value: str) -> None:
    """Refuses a value that no item has: an empty list, or a taste without effect, hides the error."""
    known = catalogue.values.get(name, {})
    if value in known:
        return
    first = list(itertools.islice(known, _SUGGESTED_OF))
    plain = {one.casefold()[:_SUGGESTED_LENGTH]: one for one in reversed(first)}
    near = difflib.get_close_matches(value.casefold()[:_SUGGESTED_LENGTH], plain, n=3)
    shown = [plain[one] for one in near] or first[:_SHOWN]
    words = ", ".join(json.dumps(one, ensure_ascii=False) for one in shown)
    more = ", ..." if not near and len(known) > len(shown) else ""
    raise BadRequestError(
        field,
        f"no item has {name}={json.dumps(value, ensure_ascii=False)}; "
        + (f"did you mean {words}?" if near else f"{name} has: {words}{more}"),
    )


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
    if operator == "!=":
        return values != bound  # of an item without a number, too
    return values <= bound if operator == "<=" else values >= bound


def _any_of(catalogue: Catalogue, name: str, values: Iterable[str]) -> np.ndarray:
    mask = np.zeros(len(catalogue), bool)
    rows_of = catalogue.values.get(name, {})
    for value in values:
        rows = rows_of.get(value)
        if rows is not None:
            mask[rows] = True
    return mask
