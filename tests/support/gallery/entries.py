"""What the gallery's logs hold, and what an entry of it is."""

from __future__ import annotations

import dataclasses
import datetime
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

FIRST: Final = 1_500_000_000
# Ids that a reader of numbers, or one without text, would change.
USERS: Final = ("007", "7", "u-1", "Zoë", "12345678901234567890", "b@x.org")
ITEMS: Final = ("0001", "1", "10", "café 4", "a.b", "B00002", "sku_9", "é")


@dataclasses.dataclass(frozen=True)
class Event:
    user: str
    item: str
    rating: int  # 1 ... 10
    count: int  # plays, below 0: taken back
    kind: str
    time: int

    def at(self, form: str) -> str:
        return f"{datetime.datetime.fromtimestamp(self.time, datetime.UTC):{form}}"


def events() -> list[Event]:
    """Each pair of user and item at most once, in order of time, a minute apart or more."""
    there = np.random.default_rng(13).random((len(USERS), len(ITEMS))) < 0.8
    pairs = [(USERS[user], ITEMS[item]) for user, item in np.argwhere(there).tolist()]
    order = np.random.default_rng(1).permutation(len(pairs))
    found = []
    for number, at in enumerate(order.tolist()):
        user, item = pairs[at]
        rating = 1 + (at * 7) % 10
        count = -1 if at % 9 == 4 else 1 + at * at
        kind = ("view", "cart", "buy")[at % 3]
        found.append(Event(user, item, rating, count, kind, FIRST + 3_660 * number))
    return found


EVENTS: Final = events()


@dataclasses.dataclass(frozen=True)
class Entry:
    """One layout.

    Attributes:
      files: name -> content.
      log: the file or folder that is read, "" for the folder.
      params: the map, as ExampleGenParams.
      frame: the folder -> what pandas reads of it: the columns user, item and, where the layout has
        them, time and value, of the rows that count.
      rows: rows in the files.
      value: what the column value says: rating (on `rating_scale`), weight, or nothing.
    """

    files: dict[str, bytes]
    params: dict[str, Any]
    frame: Callable[[Path], pd.DataFrame]
    log: str = ""
    rows: int = len(EVENTS)

    def write(self, folder: Path) -> Path:
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder / self.log if self.log else folder


def lines(*rows: str, end: str = "\n", encoding: str = "utf-8") -> bytes:
    return "".join(f"{row}{end}" for row in rows).encode(encoding)


def csv(text: Path | io.StringIO, **more: Any) -> pd.DataFrame:
    """Text as it is: pandas would make numbers of ids and nothing of "NA"."""
    return pd.read_csv(text, dtype=str, keep_default_na=False, **more)


def named(frame: pd.DataFrame, **names: str) -> pd.DataFrame:
    return frame.rename(columns={column: name for name, column in names.items()})
