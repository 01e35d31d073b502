"""Knobs of ExampleGen."""

from __future__ import annotations

from pydantic import Field

from components.params import Section


class ExampleGenParams(Section):
    """How the artifacts are written."""

    events_per_shard: int = Field(
        1_000_000,
        ge=1,
        description="Ratings per TFRecord file (about 16 bytes each before compression). A shard is "
        "encoded in memory at once, and is what Beam spreads over workers.",
    )
