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
    contact: str = Field("", description="who answers for the model, for its card")
    data_licence: str = Field("", description="licence of the data and what it asks, for the model card")
    intended_use: str = Field(
        "ranking the items of this catalogue for the people of this log, and finding items alike",
        description="what the model is for, for its card",
    )
    not_for: str = Field(
        "decisions about people, such as credit, employment, health or insurance",
        description="what the model must not be used for, for its card",
    )
