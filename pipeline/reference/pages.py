"""Every generated page: its file name, and the function that returns its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.reference.command_line import command_line_page
from pipeline.reference.config_keys import config_page
from pipeline.reference.errors import errors_page
from pipeline.reference.metrics import metrics_page
from pipeline.reference.server_flags import server_flags_page
from pipeline.reference.signatures import signatures_page

PAGES: Final[dict[str, Callable[[], str]]] = {
    "command-line.md": command_line_page,
    "config.md": config_page,
    "metrics.md": metrics_page,
    "model-server-flags.md": server_flags_page,
    "signatures.md": signatures_page,
    "errors.md": errors_page,
}
