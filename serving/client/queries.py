"""Histories, tastes and conditions, as the inputs of a signature."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import contract


class Event(NamedTuple):
    """An item of a history.

    Attributes:
      item_id: as the catalogue has it.
      rating: of a model of a log with ratings; 0 for unknown.
      timestamp: Unix seconds; 0 for unknown.
      weight: of a model of a log without ratings (`describe().event_weights`): above 0, and 1 of
        the heaviest event; 0 for unknown.
    """

    item_id: str
    rating: float = 0.0
    timestamp: int = 0
    weight: float = 0.0


# Oldest first; a bare id is an event without rating, weight and time.
History = Sequence[Event | tuple[str, float] | tuple[str, float, int] | str]


@dataclasses.dataclass(frozen=True)
class Query:
    """One row of a batch; what is left out is neutral.

    Attributes:
      history: the person's events, oldest first.
      k: how many items; 0 for the model's default.
      exclude: item ids not to show (the history never is).
      genres: any of these; none for all.
      tastes: weight by genre, which only count against each other.
      year_min, year_max: inclusive; 0 for no bound.
      diversity: 0 (relevance only) to 1 (diversity only).
      user_id: for a model that knows columns of users beside their histories.
      now: Unix seconds; 0 for the time of the last event.
      where: conditions on columns that the data has: "brand=acme", "brand!=acme", "price<=20".
      candidates: item ids, the only ones to rank; None for all.
      boosts: by item id, what to add to its score, a cosine; in the popular list as a part of the
        largest score.
      at_most: by column, how many items may share a value of it.
    """

    history: History = ()
    k: int = 0
    exclude: Sequence[str] = ()
    genres: Sequence[str] = ()
    tastes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    year_min: int = 0
    year_max: int = 0
    diversity: float = 0.0
    user_id: str = ""
    now: int = 0
    where: Sequence[str] = ()
    candidates: Sequence[str] | None = None
    boosts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    at_most: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def person(self) -> dict[str, Any]:
        """The inputs that describe the user.

        Raises:
          TypeError, ValueError: an id that is none.
        """
        events = [_event(item) for item in sequence("history", self.history)]
        return {
            contract.HISTORY_ITEM_IDS: item_ids("history", [event.item_id for event in events]),
            # Which of the two a model takes the client does not know: what nobody gives is not sent.
            contract.HISTORY_RATINGS: _given([event.rating for event in events]),
            contract.HISTORY_WEIGHTS: _given([event.weight for event in events]),
            contract.HISTORY_TIMESTAMPS: [event.timestamp for event in events],
            contract.USER_ID: self.user_id,
            contract.NOW: self.now,
            contract.TASTE_GENRES: list(self.tastes),
            contract.TASTE_WEIGHTS: list(self.tastes.values()),
        }

    def wishes(self) -> dict[str, Any]:
        """The inputs that say what is wanted.

        Raises:
          TypeError, ValueError: an id that is none.
        """
        return {
            contract.K: self.k,
            contract.EXCLUDE: item_ids("exclude", self.exclude),
            contract.FILTER_GENRES: list(sequence("genres", self.genres)),
            contract.YEAR_MIN: self.year_min,
            contract.YEAR_MAX: self.year_max,
            contract.DIVERSITY: self.diversity,
            contract.WHERE: list(sequence("where", self.where)),
            contract.CANDIDATES: self._candidates(),
            contract.BOOST_ITEM_IDS: item_ids("boosts", list(self.boosts)),
            contract.BOOSTS: list(self.boosts.values()),
            contract.AT_MOST: [f"{column}={count}" for column, count in self.at_most.items()],
        }

    def _candidates(self) -> list[str]:
        if self.candidates is None:
            return []
        if not self.candidates:
            raise ValueError("candidates: no item to rank; leave them out (None) to rank all")
        return item_ids("candidates", self.candidates)


def item_ids(what: str, ids: Iterable[str]) -> list[str]:
    """The ids, each a text: an empty one would be taken for padding."""
    return [item_id(what, value) for value in sequence(what, ids)]


def item_id(what: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f'{what}: item ids are strings, such as "318"; got {value!r}')
    if not value:
        raise ValueError(f"{what}: an item id is empty")
    return value


def _given(values: list[float]) -> list[float] | None:
    return values if any(values) else None


def _event(item: Event | tuple[Any, ...] | str) -> Event:
    if isinstance(item, Event):
        return item
    return Event(item) if isinstance(item, str) else Event(*item)


def sequence(what: str, values: Any) -> Any:
    if isinstance(values, str | bytes):
        raise TypeError(f"{what} takes several values; write [{values!r}] for one")
    return values
