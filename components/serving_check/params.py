"""Knobs of the serving check."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section


class ServingCheckParams(Section):
    """The `serving_check` section of the config."""

    timeout_s: float = Field(
        300.0,
        gt=0,
        description="seconds that both models may take to load and to answer their warm-up requests, and "
        "the last pushed one and the candidate the queries of the test split",
    )
    latency_queries: int = Field(
        100,
        ge=0,
        description="Queries with histories of the test split that the candidate and the last pushed model "
        "are asked in turn, each; 0: latency is not measured.",
    )
    latency_rate: float = Field(
        50.0, gt=0, description="queries per second, in an open loop: they do not wait for each other"
    )
    latency_ratio: float = Field(
        2.0,
        gt=0,
        description="A model is refused if its p50 or p99 latency is more than this many times the last "
        "pushed model's, over all queries and in the median pair of the blocks that were asked side by "
        "side. Before it is refused, all is asked once more, and both count.",
    )
    latency_floor_ms: float = Field(
        50.0,
        ge=0,
        description="milliseconds: a percentile up to this refuses nobody, whatever the ratio",
    )
