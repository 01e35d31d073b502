"""The body of an error over REST, {"error": "..."}: servers write it, clients read it, OpenAPI has it."""

from __future__ import annotations

import json
from typing import Any, Final

from serving.protocol.errors import StatusError

_KEY: Final = "error"
# As a JSON schema.
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {_KEY: {"type": "string"}},
    "required": [_KEY],
    "additionalProperties": False,
}


def write(error: StatusError) -> bytes:
    """The body that says the error's message; what is not UTF-8 in it is replaced."""
    return json.dumps(
        {_KEY: error.message.encode("utf-8", "replace").decode()}, ensure_ascii=False, separators=(",", ":")
    ).encode()


def read(document: Any) -> str | None:
    """The message of a body that was parsed; None if it is no such body."""
    message = document.get(_KEY) if isinstance(document, dict) else None
    return None if message is None else str(message)
