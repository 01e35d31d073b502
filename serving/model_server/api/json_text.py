"""JSON as TensorFlow Serving reads it."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from typing import Any

import numpy as np
import orjson

from serving.protocol.errors import StatusError, invalid_argument

# An error quotes what it is about, in so many bytes; a request may be megabytes of it.
_QUOTED = 256

# The escapes in a document's strings, in turn: a surrogate pair, half of one, any other.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F])|.)", re.DOTALL
)


def parse(body: bytes) -> dict[str, Any]:
    """Reads a request's JSON object.

    NaN, Infinity and -Infinity are numbers here, strings may hold bytes that
    are not UTF-8 (as surrogate escapes), and integers beyond 64 bits are floats.

    Raises:
      StatusError: INVALID_ARGUMENT, "JSON Parse error: ... at offset: N" with
        N in bytes (TensorFlow Serving's form, in the words of Python's parser),
        or that the document is no object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _parse_lenient(body)
    if type(document) is not dict:
        raise format_error(document, "Is not object")
    return document


class Writer:
    """Writes a response: NumPy arrays and scalars as they are, and what orjson refuses.

    That is numbers that JSON has no form for, written as NaN, Infinity and
    -Infinity, and strings that are not UTF-8, written as their bytes.
    `number` and `text` give what to put into the document for them.
    """

    # Stands in the document for such a piece, and never leaves the process.
    _nonce = secrets.token_hex(12)
    _mark = re.compile(f'"{_nonce}:(\\d+)"'.encode())

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def number(self, value: np.floating[Any]) -> np.floating[Any] | str:
        """A float for the document."""
        if np.isfinite(value):
            return value
        if np.isnan(value):
            return self._piece(b"NaN")
        return self._piece(b"Infinity" if value > 0 else b"-Infinity")

    def text(self, value: bytes) -> str:
        """A string for the document."""
        try:
            return value.decode()
        except UnicodeDecodeError:
            text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
            return self._piece(text.encode("utf-8", "surrogateescape"))

    def dump(self, document: Any) -> bytes:
        """The response's bytes."""
        text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        if not self._pieces:
            return text
        return self._mark.sub(lambda mark: self._pieces[int(mark[1])], text)

    def _piece(self, piece: bytes) -> str:
        self._pieces.append(piece)
        return f"{self._nonce}:{len(self._pieces) - 1}"


def quote(value: Any) -> str:
    """A value as it is quoted in errors; what is long is cut."""
    parts = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).iterencode(value)
    text = ""
    try:
        while len(text) <= _QUOTED and (piece := "".join(itertools.islice(parts, 64))):
            text += piece
    except RecursionError:
        text += "..."
    text = text[: _QUOTED + 1]
    quoted = text.encode("utf-8", "surrogateescape")
    if len(quoted) <= _QUOTED:
        return text
    return quoted[:_QUOTED].decode("utf-8", "ignore") + "...TRUNCATED"


def type_name(value: Any) -> str:
    """What TensorFlow Serving calls a JSON type."""
    if value is None:
        return "Null"
    if type(value) is bool:
        return str(value)
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names[type(value)]


def format_error(value: Any, text: str) -> StatusError:
    """A value that has the wrong form."""
    return invalid_argument(f"JSON Value: {quote(value)} {text}")


def _parse_lenient(body: bytes) -> Any:
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    skipped = len(body) - len(text.encode("utf-8", "surrogateescape"))
    decoder = json.JSONDecoder(parse_float=_parse_float, parse_int=_parse_int)
    try:
        document = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise _parse_error(error.msg.removesuffix(" at"), text, error.pos, skipped) from None
    except OverflowError as error:
        [digits] = error.args
        raise _parse_error("Number beyond a double", text, text.find(digits), skipped) from None
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deeply") from None
    # The standard library takes half a surrogate pair; it is no character.
    for escape in _ESCAPE.finditer(text):
        if escape["half"]:
            raise _parse_error("Half of a surrogate pair", text, escape.start(), skipped)
    return document


def _parse_float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise OverflowError(digits)
    return value


def _parse_int(digits: str) -> int | float:
    # 20 characters hold every 64-bit integer; int() of more is slow or refused.
    if len(digits) <= 20 and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return _parse_float(digits)


def _parse_error(reason: str, text: str, at: int, skipped: int) -> StatusError:
    offset = skipped + len(text[:at].encode("utf-8", "surrogateescape"))
    return invalid_argument(f"JSON Parse error: {reason} at offset: {offset}")
