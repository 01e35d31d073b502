"""How far the run is that makes the first model: a document that `marquee run` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

_log = structlog.get_logger(__name__)


def read(path: str) -> dict[str, Any] | None:
    """The document, or None where no run writes one.

    It is replaced whole by its writer, so that it is never half there.
    """
    if not path:
        return None
    try:
        value = json.loads(Path(path).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("progress_unreadable", path=path, error=str(error))
        return None
    return value if isinstance(value, dict) else None
