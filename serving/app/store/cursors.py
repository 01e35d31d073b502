"""Cursors of pages: opaque to callers, checked when they come back."""

from __future__ import annotations

import base64
import json

from serving.app.errors import BadRequestError


def write(*values: int | str) -> str:
    text = json.dumps(values, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(cursor: str, *kinds: type) -> list[int | str]:
    """The values.

    Raises:
      BadRequestError: the cursor was not made here, or for another list.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        whole = isinstance(values, list) and [type(value) for value in values] == list(kinds)
    except (ValueError, UnicodeDecodeError, RecursionError):
        whole = False
    if not whole or any(isinstance(value, int) and abs(value) >= 2**63 for value in values):
        raise BadRequestError(
            "cursor", "the cursor is not one of this list; give `next` of the page before as it is"
        )
    return list(values)
