"""Why a request for one of the contract's signatures is refused: the words of all such errors.

An error states the rule, what came, and what to do: "RULE, got WHAT; DO". The model's graph checks
what depends on values, so that the rules hold whichever server runs it; our server checks names, types
and shapes before. Over gRPC and REST the words are the same.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final


@dataclasses.dataclass(frozen=True)
class Refusal:
    """One rule.

    Attributes:
      rule: what holds of a request; names in braces are filled in.
      do: what a caller does about it.
    """

    rule: str
    do: str

    def parts(self, **words: object) -> tuple[str, str]:
        """What stands before and behind what came."""
        return f"{self.rule.format(**words)}, got", f"; {self.do.format(**words)}"

    def text(self, got: object, **words: object) -> str:
        """The whole."""
        before, behind = self.parts(**words)
        return f"{before} {got}{behind}"


# --- names, types and shapes ----------------------------------------------------
UNKNOWN_INPUT: Final = Refusal("{signature} has the inputs {names}", "leave the others out")
MISSING_INPUT: Final = Refusal("{signature} needs {names} in every row", "give what is missing")
TYPE: Final = Refusal("{name} must be of the type {dtype}", "send that type")
RANK: Final = Refusal("{name} must have the shape {shape}", "give {what}")
ROWS: Final = Refusal(
    "every input needs the same number of rows ({names})", "give an input in all rows of the request"
)
MAX_ROWS: Final = Refusal(
    "at most {most} rows are answered in one request (--max_request_rows)", "send the rest in further ones"
)
SAME_SHAPE: Final = Refusal(
    "{first} and {second} need the same shape", "give as many of one as of the other, or leave {second} out"
)
# --- values ----------------------------------------------------------------------
AT_MOST: Final = Refusal(
    "{name}: at most {limit} = {most} {what} in a row",
    "send fewer (of a history, the newest); index.{limit} of the config is the limit",
)
NOT_NEGATIVE: Final = Refusal("{name} must be {what}", "0 stands for what is not known or not wanted")
K: Final = Refusal(
    "k must be between 0 (which means {default_k}) and max_k = {max_k}",
    "ask for fewer; index.max_k of the config is the limit",
)
BETWEEN: Final = Refusal("{name} must be between {least} and {most}", "0 is as if it were left out")
RATINGS: Final = Refusal(
    "history_ratings must be 0 (unknown) or from 0.5 to 5",
    "map another scale (data_rating_scale of what the model says of itself) evenly onto 0.5 to 5",
)
WEIGHTS: Final = Refusal(
    "history_weights must be between 0 (unknown) and 1 (the heaviest event)",
    "divide by the weight of the heaviest event",
)
# --- the data's columns ----------------------------------------------------------
CONDITION: Final = Refusal("where: expected {forms}", "write each condition so, of one of these columns")
BOUND: Final = Refusal(
    "where: a bound must be a finite number as float32 has them", "write it in digits, up to 3.4e38"
)
COUNT: Final = Refusal(
    "at_most: expected COLUMN=COUNT, a count from 1 on, of {names}",
    "write each count so, of one of these columns",
)
ATTRIBUTE: Final = Refusal(
    "attributes: expected NAME=VALUE of {names}", "write each attribute so, of one of these names"
)
ATTRIBUTE_NUMBER: Final = Refusal(
    "attributes: {name} must be a finite number", "write it in digits, or leave it out if it is unknown"
)
COLUMNS: Final = Refusal("columns: expected some of {names}", "ask for these, or leave columns out for all")
MAX_COLUMNS: Final = Refusal("columns: at most {most} in a row", "ask for each column once")

ALL: Final[dict[str, Refusal]] = {
    name.lower(): value for name, value in list(globals().items()) if isinstance(value, Refusal)
}

# TensorFlow's own words around those of a check, in its C++ and in its Python layer.
_FAILED: Final = re.compile(r"assertion failed: \[(.*)\]", re.DOTALL)
_NODES: Final = re.compile(r"\s*\[\[\{\{.*", re.DOTALL)


def plain(message: str) -> str:
    """The words of a check that failed in a graph, without TensorFlow's own and the graph's nodes."""
    message = _NODES.sub("", message)
    found = _FAILED.search(message)
    if found is None:
        return message.strip()
    return found[1].replace("] [", " ").replace(" ; ", "; ").strip()
