"""Which columns of a log probably mean what: a map that is certain, or questions."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.reading.quarantine import percent
from components.example_gen.reading.source import EVENT, ITEM, OFFSET, RATING, TIME, USER, WEIGHT
from components.example_gen.reading.values.times import PER_SECOND
from datasets.own_log import doubts, shapes, words
from datasets.own_log.headers import NUMBER
from datasets.own_log.looks import FileLook, Look

_FEW: Final = 60  # different values of a kind of event at most
_FILLED: Final = 0.9
_NAMED: Final = 12  # columns in a question
_SCALE: Final = 101  # different ratings at most
_ID: Final = ("text", "whole numbers")
# What the ids of a file without a header may begin with.
_PREFIXES: Final = {USER: r"^(?i:u|user|c|customer)[-_]?\d+$", ITEM: r"^(?i:i|item|p|product|m|b)[-_]?\d+$"}
_FLAGS: Final = (("true", "false"), ("yes", "no"), ("1", "0"), ("t", "f"), ("y", "n"))
_CLOCK: Final = r"^\d{1,2}:\d\d(:\d\d(\.\d*)?)?$"
_OUTSIDE: Final = (-1.0, 0.0, 99.0)  # ratings that often mean none


@dataclasses.dataclass(frozen=True)
class Guess:
    """What is guessed of a log.

    Attributes:
      values: keys of `example_gen`, as in a config.
      questions: what only people know, with how to answer; none: the guess is certain.
      evidence: why, a line per key.
    """

    values: dict[str, Any]
    questions: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def certain(self) -> bool:
        return not self.questions


class _Guesser:
    """Takes one meaning after the other; a column has one at most."""

    def __init__(self, file: FileLook) -> None:
        self._file = file
        self.columns: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.questions: list[str] = []
        self.evidence: list[str] = []

    def guess(self) -> Guess:
        self._ids()
        rating = self._best(RATING, self._is_rating)
        if rating is None and not self._file.header:
            rating = self._unnamed_rating()
        if rating is not None:
            self._take(RATING, rating)
            self._scale(rating)
        else:
            self._event_or_weight()
        self._times()
        self._repeated()
        self._missing()
        columns = {str(role): self.columns[role] for role in _ORDER if role in self.columns}
        # Of a file in another shape than a log's every other question would mislead.
        other_shape = list(shapes.of_file(self._file, columns))
        self.questions = other_shape or [*self.questions, *doubts.of_columns(self._file, columns)]
        if columns and (rest := [name for name in self._file.names if name not in columns.values()]):
            self.evidence.append(f"not read: {', '.join(rest)}")
        return Guess({"columns": columns, **self.values}, tuple(self.questions), tuple(self.evidence))

    def _free(self) -> list[Look]:
        taken = self.columns.values()
        return [c for c in self._file.columns if c.name not in taken and c.what not in ("empty", "list")]

    def _take(self, role: str, column: Look) -> None:
        self.columns[role] = column.name
        self.evidence.append(f"{role} is {column.name}: {column}")

    def _best(self, role: str, fits: Any, least: int = 2) -> Look | None:
        """The column whose name says most for a meaning, None if none does; several: a question."""
        scores = {c.name: words.score(c.name, role) for c in self._free() if fits(c)}
        most = max(scores.values(), default=0)
        if most < least:
            return None
        best = [c for c in self._free() if scores.get(c.name) == most]
        # Of those that say as much, not one that is mostly empty.
        best = [c for c in best if c.filled > _FILLED] or best
        if len(best) > 1:
            self._ask(role, best)
        return best[0]

    def _ask(self, role: str, columns: list[Look]) -> None:
        names = " or ".join(column.name for column in columns)
        self.questions.append(f"which column is the {role}: {names}? The map has {columns[0].name}")

    def _ids(self) -> None:
        rows = self._file.rows
        for role in (USER, ITEM):
            if (found := self._best(role, self._is_id)) is not None:
                self._take(role, found)
        left = [role for role in (USER, ITEM) if role not in self.columns]
        # Ids repeat, and are neither stars nor numbers of rows.
        likely = [c for c in self._free() if self._may_be_id(c) and 5 < c.distinct <= max(0.9 * rows, 6)]
        likely.sort(key=lambda c: not words.says_id(c.name))
        for role in [] if self._file.header else list(left):
            matching = [c for c in likely if _all(c, _PREFIXES[role])]
            if len(matching) == 1:
                self._take(role, matching[0])
                likely.remove(matching[0])
                left.remove(role)
        if not left:
            return
        if len(likely) < len(left):
            names = ", ".join(self._file.names[:_NAMED])
            if (more := len(self._file.names) - _NAMED) > 0:
                names += f" and {more} more"
            self.questions.append(f"which column is the {left[0]}? None of {names} looks like one")
            return
        for role, column in zip(left, likely, strict=False):
            self._take(role, column)
        named = f"{', '.join(f'{self.columns[role]} as the {role}' for role in left)}"
        others = [c.name for c in likely]
        if len(others) == 1:
            self.questions.append(f"is {others[0]} the {left[0]}? Its name does not say so; the map has it")
            return
        which = "which columns are" if len(left) > 1 else "which column is"
        self.questions.append(
            f"{which} {' and '.join(f'the {role}' for role in left)}, among {', '.join(others)}? "
            f"The map has {named}"
        )

    def _is_id(self, column: Look) -> bool:
        """Whether a column may hold ids, of which its name speaks."""
        counts = column.what != "text" and words.is_number_of(column.name)
        return column.what in _ID and not counts and (column.distinct > 1 or self._file.rows < 3)

    def _may_be_id(self, column: Look) -> bool:
        if not self._file.header:
            # Large numbers may be times or ids; beside times they may be ids.
            others = any(c.units for c in self._free() if c is not column)
            return column.what in _ID or (others and column.units[:1] in [(unit,) for unit in PER_SECOND])
        elsewhere = [role for role in (USER, ITEM) if role in self.columns]
        says = [words.score(column.name, role) for role in (*elsewhere, TIME, RATING, WEIGHT)]
        return self._is_id(column) and max(says) < 2

    def _is_rating(self, column: Look) -> bool:
        return column.what.endswith("numbers") and column.distinct <= _SCALE and column.high <= 100

    def _unnamed_rating(self) -> Look | None:
        fits = [
            c
            for c in self._free()
            if c.what.endswith("numbers") and 1 < c.distinct <= 21 and c.low >= -1 and c.high <= 10
        ]
        return fits[0] if len(fits) == 1 else None

    def _scale(self, column: Look) -> None:
        texts = column.text.drop_null()
        texts = texts.filter(pc.match_substring_regex(texts, NUMBER))
        numbers = pc.replace_substring(texts, ",", ".").cast(pa.float64())
        counts = numbers.value_counts()
        found = dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))
        inside = sorted(value for value in found if value not in _OUTSIDE)
        odd = [value for value in _OUTSIDE if value in found and _apart(value, found, inside)]
        if odd and inside:
            self.values["unrated"] = [int(value) for value in odd]
            share = percent(sum(found[value] for value in odd) / len(numbers))
            which = " and ".join(f"{value:g}" for value in odd)
            self.questions.append(
                f"do ratings of {which} ({share} of {column.name}) mean no rating? The map leaves them out; "
                "`unrated_as: events` makes events of them; without `unrated` they are in the scale"
            )
        values = inside if odd else sorted(found)
        low, high = values[0], values[-1]
        top = next((limit for limit in (5.0, 10.0, 20.0, 100.0) if high <= limit), high)
        if high <= 1:
            top = 1.0
        bottom = 0.0 if low < 0.5 else (0.5 if low < 1 else 1.0)
        if low < 0:
            bottom = low
        if (bottom, top) not in ((0.5, 5.0), (1.0, 5.0)):
            self.values["rating_scale"] = [_plain(bottom), _plain(top)]
            self.evidence.append(f"rating_scale: {column.name} goes from {low:g} to {high:g}")

    def _event_or_weight(self) -> None:
        event = self._best(EVENT, lambda c: c.what in ("text", "whole numbers") and 1 < c.distinct <= _FEW)
        if event is None and not self._file.header:
            event = next((c for c in self._free() if 1 < c.distinct <= _FEW and _all_events(c)), None)
        if event is not None:
            self._take(EVENT, event)
            weights = {name: words.weight_of(name) for name in event.text.drop_null().unique().to_pylist()}
            back = [name for name in weights if words.takes_back(name) and re.fullmatch(r"[\w .-]+", name)]
            if back and len(back) < len(weights):
                self.values["drop"] = [f"{event.name} in [{', '.join(back)}]"]
                self.evidence.append(f"drop: {', '.join(back)} take an event back")
                weights = {name: weight for name, weight in weights.items() if name not in back}
            if unknown := [name for name, weight in weights.items() if weight is None]:
                self.questions.append(
                    f"how much do the events {', '.join(unknown)} of {event.name} say? The map gives each 1"
                )
            self.values["event_weights"] = {name: weight or 1 for name, weight in weights.items()}
            return
        weight = self._best(WEIGHT, lambda c: c.what.endswith("numbers") and c.distinct > 1)
        if weight is not None:
            self._take(WEIGHT, weight)
            if weight.low <= 0:
                self.values["keep"] = [f"{weight.name} > 0"]
                what = "negative (returns, cancellations)" if weight.low < 0 else "0"
                self.evidence.append(f"keep: {weight.name} is {what} in places")
            return
        flags = [(c, pair) for c in self._free() if words.says_yes_or_no(c.name) and (pair := _flag(c))]
        if flags:
            flag, (yes, no) = flags[0]
            self.values["keep"] = [f"{flag.name} = {yes}"]
            self.questions.append(
                f"are rows whose {flag.name} is {no} no events? The map leaves them out; else drop `keep`"
            )

    def _times(self) -> None:
        found = [c for c in self._free() if c.units]
        if not found:
            self._days()
            return
        named = [c for c in found if words.score(c.name, TIME)] or found
        # The same moment is often there twice; numbers say it without a format.
        numeric = [c for c in named if c.units[0] in PER_SECOND and self._file.header]
        best = max(numeric or named, key=lambda c: (words.score(c.name, TIME), c.distinct))
        self._take(TIME, best)
        if len(best.units) > 1:
            self.values["time_unit"] = best.units[0]
            self.questions.append(
                f"is the day or the month first in {best.name} ({best.examples[0]})? time_unit is one of "
                f"{', '.join(map(repr, best.units))}"
            )
        clocks = [c for c in self._free() if c.what == "text" and _all(c, _CLOCK)]
        if _are_days(best) and clocks:
            self._take(OFFSET, clocks[0])
            self.values["offset_unit"] = "clock"

    def _days(self) -> None:
        """Numbers of days, and the clock beside them."""
        free = [c for c in self._free() if c.what == "whole numbers" and words.says_moment(c.name)]
        days = [c for c in free if "day" in words.words_of(c.name)]
        if not days or days[0].low < 0 or days[0].high > 100_000:
            return
        self._take(TIME, days[0])
        self.values["time_unit"] = "d"
        clocks = [c for c in free if c is not days[0] and 0 <= c.low <= c.high < 2_400]
        if clocks:
            self._take(OFFSET, clocks[0])
            self.values["offset_unit"] = "clock"

    def _repeated(self) -> None:
        """Whether users have items several times, by the rows that were looked at."""
        if USER not in self.columns or ITEM not in self.columns:
            return
        by_name = {column.name: column.text for column in self._file.columns}
        pairs = pa.table({role: by_name[self.columns[role]] for role in (USER, ITEM)})
        pairs = pairs.filter(pc.and_(pc.is_valid(pairs[USER]), pc.is_valid(pairs[ITEM])))
        if (again := len(pairs) - len(pairs.group_by([USER, ITEM]).aggregate([]))) > 0:
            self.values["repeated"] = "strongest" if {EVENT, WEIGHT} & self.columns.keys() else "last"
            self.evidence.append(f"repeated: {again:,} rows have a user and an item that came before")

    def _missing(self) -> None:
        roles = {self.columns.get(USER), self.columns.get(ITEM)}
        gaps = 1 - min((c.filled for c in self._file.columns if c.name in roles), default=1.0)
        if gaps > 0.001:
            self.values["max_missing_share"] = float(min(1.0, np.ceil(gaps * 110) / 100))
            self.evidence.append(f"max_missing_share: {percent(gaps)} of the rows have no user or no item")


_ORDER: Final = (USER, ITEM, RATING, EVENT, WEIGHT, TIME, OFFSET)


def guess(file: FileLook) -> Guess:
    """The map of a log's file."""
    return _Guesser(file).guess()


def _all(column: Look, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column.text.drop_null(), pattern)).as_py())


def _all_events(column: Look) -> bool:
    """Whether every value is the name of a kind of event."""
    values = column.text.drop_null().unique().to_pylist()
    return column.what == "text" and all(words.weight_of(value) is not None for value in values)


def _flag(column: Look) -> tuple[str, str] | None:
    """(yes, no) as a column of nothing else has them."""
    values = column.text.drop_null().unique().to_pylist()
    by_lower = {value.lower(): value for value in values}
    pairs = [pair for pair in _FLAGS if len(values) == 2 and set(pair) == by_lower.keys()]
    return (by_lower[pairs[0][0]], by_lower[pairs[0][1]]) if pairs else None


def _are_days(column: Look) -> bool:
    """Whether its times say no time of a day."""
    unit = column.units[0]
    if unit == "iso":
        return _all(column, r"^\d{4}-\d\d-\d\d$")
    return "%" in unit and not re.search(r"%[HIcsX]", unit)


def _apart(value: float, found: dict[float, int], inside: list[float]) -> bool:
    """Whether a rating is none of the scale: outside the others, or by far the most frequent."""
    if len(inside) < 2:
        return False
    if value < 0 or value > inside[-1] + 10:
        return True
    often = found[value] > 0.3 * sum(found.values()) or found[value] > 2 * found[inside[0]]
    stars = inside[0] == 1 and inside[-1] == 5 and all(rating == int(rating) for rating in inside)
    return value == 0 and inside[0] >= 1 and (often or stars or inside[0] > 1)


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number
