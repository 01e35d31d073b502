"""A generated shop whose customers, catalogue and fashions move from day to day.

What moves, each day:

- items come, more of them in the topics that are in fashion, every third of a maker that is new; what
  is new is bought more for some days;
- customers come, and some swap one of their two favourite topics for another;
- topics come into fashion and go out of it.

Who buys what follows from vectors: an item's is its topic's, its maker's and one of its own; a
customer's is of two topics and one of their own. Each item has an appeal of its own that no column
says. Nobody buys an item twice.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

LOG: Final = "log.csv"
ITEMS: Final = "items.csv"
DAY_S: Final = 86_400
FIRST_DAY: Final = 1_700_006_400  # 2023-11-15 00:00 UTC

_DIMENSION: Final = 16
_TOPICS: Final = 12
_MAKERS: Final = 60
_TASTE: Final = 6.0  # how much the vectors say against chance, whose spread is 1.3
_NEW: Final = 1.5
_NEW_DAYS: Final = 7.0
_FASHION: Final = 0.8
_FASHION_DAYS: Final = 40.0
_SWAPS: Final = 0.03


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much there is.

    Attributes:
      users, items: on the first day; both grow by new_users and new_items a day.
      rate: events of a customer in a day, in the mean.
    """

    users: int = 600
    items: int = 500
    new_users: int = 5
    new_items: int = 8
    rate: float = 0.8


@dataclasses.dataclass(frozen=True)
class Shop:
    """E events in order of time, and N items in the order in which they came.

    Attributes:
      users, items: int64[E], positions.
      times: int64[E], Unix seconds.
      days: int64[E], 0 for the first.
      on_sale: int64[N], first day on which an item can be bought.
      topics, makers: int64[N].
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    days: np.ndarray
    on_sale: np.ndarray
    topics: np.ndarray
    makers: np.ndarray

    def write(self, folder: Path, day: int) -> None:
        """What is known at the end of a day: its events and those before, the items on sale next morning."""
        known = self.days <= day
        log = {"customer": self.users[known], "sku": self.items[known], "at": self.times[known]}
        pa_csv.write_csv(pa.table(log), folder / LOG)
        rows = np.flatnonzero(self.on_sale <= day + 1)
        items = {
            "sku": rows,
            "name": [f"Product {row}" for row in rows],
            "topic": [f"topic {topic}" for topic in self.topics[rows]],
            "maker": [f"maker {maker}" for maker in self.makers[rows]],
        }
        pa_csv.write_csv(pa.table(items), folder / ITEMS)


def draw(seed: int, days: int, sizes: Sizes) -> Shop:
    """A shop of so many days."""
    rng = np.random.default_rng(seed)
    users, items = sizes.users + sizes.new_users * days, sizes.items + sizes.new_items * days
    topics = _unit(rng.normal(size=(_TOPICS, _DIMENSION)))
    phases = rng.random(_TOPICS)
    on_sale = np.concatenate(
        [-rng.integers(0, 60, sizes.items), np.repeat(np.arange(1, days + 1), sizes.new_items)]
    )
    topic, maker = _kinds(rng, on_sale, phases)
    makers = _unit(rng.normal(size=(int(maker.max()) + 1, _DIMENSION)))
    own = _unit(rng.normal(size=(items, _DIMENSION)))
    item_vectors = _unit(topics[topic] + 0.7 * makers[maker] + 0.6 * own)
    appeal = rng.normal(0, 0.7, items)
    favourites = np.array([rng.choice(_TOPICS, 2, replace=False) for _ in range(users)])
    personal = _unit(rng.normal(size=(users, _DIMENSION)))
    rate = rng.gamma(2.0, sizes.rate / 2, users)
    bought = np.zeros((users, items), bool)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for day in range(days):
        here = sizes.users + sizes.new_users * day
        swaps = np.flatnonzero(rng.random(here) < _SWAPS)
        favourites[swaps, rng.integers(2, size=len(swaps))] = rng.integers(_TOPICS, size=len(swaps))
        tastes = _unit(topics[favourites[:here]].sum(axis=1) + 0.4 * personal[:here])
        score = _TASTE * tastes @ item_vectors.T + appeal + _fashion(day, phases)[topic]
        score += _NEW * np.exp(-(day - on_sale) / _NEW_DAYS)
        score[bought[:here] | (on_sale > day)] = -np.inf
        # The largest of scores with Gumbel noise are draws without replacement (Efraimidis, Spirakis 2006).
        drawn = np.argsort(-(score + rng.gumbel(size=score.shape)), axis=1)
        number = np.minimum(rng.poisson(rate[:here]), 12)
        who = np.repeat(np.arange(here), number)
        what = np.concatenate([drawn[user, :count] for user, count in enumerate(number)])
        bought[who, what] = True
        at = FIRST_DAY + day * DAY_S + rng.integers(0, DAY_S, len(who))
        order = np.argsort(at, kind="stable")
        found.append((who[order], what[order], at[order]))
    who, what, at = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Shop(who, what, at, (at - FIRST_DAY) // DAY_S, on_sale, topic, maker)


def _kinds(
    rng: np.random.Generator, on_sale: np.ndarray, phases: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(topic, maker) of each item."""
    topic, maker = np.zeros(len(on_sale), np.int64), rng.integers(_MAKERS, size=len(on_sale))
    makers = _MAKERS
    for row, day in enumerate(on_sale.tolist()):
        odds = np.exp(_fashion(day, phases))
        topic[row] = rng.choice(_TOPICS, p=odds / odds.sum())
        if day > 0 and rng.random() < 1 / 3:
            # Of a new maker, who has brought up to three items so far.
            makers += int(makers == _MAKERS or rng.random() < 1 / 3)
            maker[row] = makers - 1
    return topic, maker


def _fashion(day: int, phases: np.ndarray) -> np.ndarray:
    """float64[topics]: what fashion adds to each topic's score."""
    fashion: np.ndarray = _FASHION * np.sin(2 * np.pi * (day / _FASHION_DAYS + phases))
    return fashion


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit
