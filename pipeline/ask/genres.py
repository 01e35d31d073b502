"""Genres and other values of columns by what people type: "Action=5, comedy=3", "brand=acme"."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence

import contract
from pipeline.errors import InputError

_LISTED = 20
_CONDITION = re.compile(r"\s*([A-Za-z]\w*)\s*(!?=)\s*(.*?)\s*", re.DOTALL)


def parse(
    texts: Iterable[str], known: Sequence[str] | None, what: str = "genre", noun: str = "item"
) -> list[str]:
    """The genres of comma-separated lists, spelt as the catalogue has them, each once.

    Args:
      texts: as typed.
      known: all there are; None takes them as they are typed.
      what: such a value is called.
      noun: an item is called.

    Raises:
      InputError: a genre that no item has; suggests the nearest.
    """
    return list(dict.fromkeys(_find(part, known, what, noun) for part in _parts(texts)))


def parse_tastes(
    texts: Iterable[str], known: Sequence[str] | None, what: str = "genre", noun: str = "item"
) -> dict[str, float]:
    """Genre -> weight of lists such as "Action=5,Comedy=3"; only their proportions count.

    Raises:
      InputError: as `parse`, or a weight that is no positive number.
    """
    tastes = {}
    for part in _parts(texts):
        name, equals, weight = part.partition("=")
        if not equals:
            raise InputError(f'taste "{part}" lacks a weight; write it as "{part}=5"')
        tastes[_find(name, known, what, noun)] = _positive(weight, part)
    return tastes


def parse_conditions(
    texts: Iterable[str], values_of: Callable[[str], Sequence[str] | None], noun: str = "item"
) -> list[str]:
    """Conditions such as "brand=acme", their values spelt as the catalogue has them.

    Args:
      values_of: a column -> all its values; None for one that has none, or if that is not known. Conditions
        on it, and those of another form, stay as they are: the model says what is wrong with them.

    Raises:
      InputError: as `parse`.
    """
    found = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        known = values_of(match[1].lower()) if match else None
        if match and known is not None:
            name = match[1].lower()
            what = "genre" if name == contract.GENRES else name
            text = f"{name}{match[2]}{_find(match[3], known, what, noun)}"
        found.append(text)
    return found


def _parts(texts: Iterable[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _find(name: str, known: Sequence[str] | None, what: str, noun: str) -> str:
    if known is None:
        return name.strip()
    if name.strip() in known:
        return name.strip()
    folded = {genre.casefold(): genre for genre in known}
    wanted = name.strip().casefold()
    if wanted in folded:
        return folded[wanted]
    near = difflib.get_close_matches(wanted, folded, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(folded[key] for key in near)}?"
        if near
        else f"there are {', '.join(known[:_LISTED])}{', ...' if len(known) > _LISTED else ''}"
        if known
        else "this data has none"
    )
    raise InputError(f'no {noun} has the {what} "{name.strip()}"; {hint}')


def _positive(text: str, part: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f'taste "{part}": the weight must be a number above 0, such as 5')
    return weight
