"""Knobs of the serving check."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section


class ServingCheckParams(Section):
    """The `serving_check` section of the config."""

    timeout_s: float = Field(
        300.0,
        gt=0,
        description="seconds that both models may take to load and to answer their warm-up requests",
    )
