"""JSON as TensorFlow Serving reads and reports it."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from typing import Any, NoReturn

import numpy as np
import orjson

from serving.protocol.errors import StatusError, invalid_argument

# An error quotes what it is about; a request may be megabytes of it.
_QUOTED = 1024

_ROOT = "The document root must not be followed by other values."
_INVALID = "Invalid value."
_TOO_BIG = "Number too big to be stored in double."
# What RapidJSON says where the standard library says this.
_TEXTS = {
    "Expecting value": _INVALID,
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Extra data": _ROOT,
}
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\(?:u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_NUMBER_START = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?")


def parse(body: bytes) -> dict[str, Any]:
    """Reads a request's JSON object.

    NaN, Infinity and -Infinity are numbers here, strings may hold bytes that
    are not UTF-8 (as surrogate escapes), and integers beyond 64 bits are floats.

    Raises:
      StatusError: INVALID_ARGUMENT, "JSON Parse error: ... at offset: N" with
        N in bytes, or that the document is no object.
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


def error_body(message: str) -> bytes:
    """{"error": "..."}."""
    return orjson.dumps({"error": message.encode("utf-8", "replace").decode()})


def quote(value: Any) -> str:
    """A value as it is quoted in errors; what is long is cut."""
    parts = json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value)
    text = ""
    try:
        while len(text) <= _QUOTED:
            piece = "".join(itertools.islice(parts, 64))
            if not piece:
                return text
            text += piece
    except RecursionError:
        text += "..."
    return text[:_QUOTED] + "...TRUNCATED"


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
    if not text.strip(" \t\r\n"):
        _fail("The document is empty.", text, len(text), skipped)
    decoder = json.JSONDecoder(parse_float=_parse_float, parse_int=_parse_int)
    try:
        document = decoder.decode(text)
    except json.JSONDecodeError as error:
        _explain(error, text, skipped)
    except OverflowError:
        _fail(_TOO_BIG, text, len(text), skipped)
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deeply") from None
    _check_surrogates(text, skipped)
    return document


def _parse_float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise OverflowError
    return value


def _parse_int(digits: str) -> int | float:
    # 20 characters hold every 64-bit integer; int() of more is slow or refused.
    if len(digits) <= 20 and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return _parse_float(digits)


def _explain(error: json.JSONDecodeError, text: str, skipped: int) -> NoReturn:
    at = error.pos
    said = _TEXTS.get(error.msg)
    after_number = re.search(r"[\d.eE+-]*$", text[max(0, at - 400) : at])
    if text[at : at + 1] in (".", "e", "E") and after_number and _NUMBER_START.search(after_number.group()):
        part = "fraction part" if text[at] == "." else "exponent"
        _fail(f"Miss {part} in number.", text, at + 1, skipped)
    if error.msg.startswith("Unterminated string"):
        at = len(text)
    if said is None:  # "Expecting ',' delimiter": within which of the two?
        depth = []
        for found in _STRUCTURE.finditer(text, 0, at):
            token = found.group()
            if token in "[{":
                depth.append(token)
            elif token in "]}" and depth:
                depth.pop()
        in_object = bool(depth) and depth[-1] == "{"
        said = (
            "Missing a comma or } after an object member."
            if in_object
            else "Missing a comma or ] after an array element."
        )
    _fail(said, text, at, skipped)


def _check_surrogates(text: str, skipped: int) -> None:
    """The standard library takes half a surrogate pair; it is no character."""
    if "\\u" not in text:
        return
    high_end = -1  # where a low half must follow
    for found in _ESCAPED_SURROGATE.finditer(text):
        digits = found.group(1)
        if digits is None:
            continue
        low = digits[1] in "cdefCDEF"
        if low != (found.start() == high_end):
            _fail("The surrogate pair in string is invalid.", text, found.start(), skipped)
        high_end = -1 if low else found.end()
        if not low and not re.match(r"\\u[dD][c-fC-F]", text[high_end : high_end + 4]):
            _fail("The surrogate pair in string is invalid.", text, found.start(), skipped)


def _fail(said: str, text: str, at: int, skipped: int) -> NoReturn:
    offset = skipped + len(text[:at].encode("utf-8", "surrogateescape"))
    raise invalid_argument(f"JSON Parse error: {said} at offset: {offset}")
