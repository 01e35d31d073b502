"""Knobs of the pusher."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section


class PusherParams(Section):
    keep_versions: int = Field(
        5,
        ge=1,
        description="How many of the newest versions to keep. Older ones are deleted, except those "
        "that `marquee pin` keeps (a file PINNED in their folder).",
    )
