"""Conditions on the columns of a log, which say of which rows it consists: `quantity > 0`."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

# Cells that mean nothing, as exports of databases and of statistics software write them.
MISSING_MARKERS: Final = ("", "NA", "NULL", "null", "None", "nan", "\\N")

_IS = re.compile(r"^(?P<column>.+?)\s+is\s+(?P<no>not\s+)?missing$")
_IN = re.compile(r"^(?P<column>.+?)\s+(?P<no>not\s+)?in\s+\[(?P<values>[^\]]+)\]$")
_COMPARES = re.compile(
    r"""^(?P<column>[^=!<>]+?)\s*(?P<operator>!=|<=|>=|==|=|<|>)\s*(?P<value>[^=!<>]+|"[^"]+"|'[^']+')$"""
)
NUMBER: Final = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Dates and times that begin so have their order as text, too.
DATE: Final = r"^\d{4}-\d\d(-\d\d)?"
FORMS: Final = (
    "COLUMN > 0 (or <, <=, >=, =, !=), COLUMN = value, COLUMN in [value, value], COLUMN not in [...], "
    "COLUMN is missing or COLUMN is not missing"
)


@dataclasses.dataclass(frozen=True)
class Condition:
    """What a cell of one column must be.

    A missing cell meets `is missing`, `!=` and `not in` alone. A value that is a number equals any
    spelling of it (1, 1.0); in quotes it is text.

    Attributes:
      text: as it was given.
      column: in the files.
      operator: "missing", "in", or one of `<`, `<=`, `>`, `>=`, of one value then.
      negated: whether the cells are meant that do not fit.
      values: text, without quotes.
      quoted: whether they had quotes.
    """

    text: str
    column: str
    operator: str
    negated: bool = False
    values: tuple[str, ...] = ()
    quoted: bool = False

    @property
    def role(self) -> str:
        """What its column means in a `Source`."""
        return f"condition on {self.column}"

    @property
    def expected(self) -> str:
        """What a cell must be that can be compared."""
        return "a number" if re.match(NUMBER, self.values[0]) else "a date such as 2018-09-26"


def parse(text: str) -> Condition:
    """A condition of its text.

    Raises:
      ValueError: it is none.
    """
    given = text.strip()
    if found := _IS.match(given):
        return Condition(given, _plain(found["column"]), "missing", bool(found["no"]))
    if found := _IN.match(given):
        values = [value.strip() for value in found["values"].split(",")]
        quoted = all(_plain(value) != value for value in values)
        return Condition(
            given, _plain(found["column"]), "in", bool(found["no"]), tuple(map(_plain, values)), quoted
        )
    if found := _COMPARES.match(given):
        operator, value = found["operator"], found["value"].strip()
        column, plain = _plain(found["column"].strip()), _plain(value)
        if operator in ("=", "==", "!="):
            return Condition(given, column, "in", operator == "!=", (plain,), plain != value)
        if not re.match(NUMBER, plain) and not re.match(DATE, plain):
            raise ValueError(
                f"condition {text!r} compares with {value!r}, expected a number or a date such as 2018-09-26 "
                f"behind {operator}"
            )
        return Condition(given, column, operator, values=(plain,))
    raise ValueError(f"condition {text!r} is none; expected {FORMS}")


def _plain(text: str) -> str:
    """Without quotes around it."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
