"""Knobs of the index: what a request may ask for, and how the search is built."""

from __future__ import annotations

from typing import Self

import pydantic
from pydantic import Field

from components.common.params import Section


class IndexParams(Section):
    """The `index` section of the config.

    The limits are checked inside the model's graph, so they hold whichever
    server runs it; a request beyond one is INVALID_ARGUMENT.
    """

    default_k: int = Field(10, ge=1, description="results when a request asks for k = 0")
    max_k: int = Field(100, ge=1, description="most results a request may ask for")
    max_history: int = Field(4096, ge=1, description="most history events in a request")
    max_exclude: int = Field(1000, ge=0, description="most items in a request's `exclude`")
    max_candidates: int = Field(1000, ge=1, description="most items in a request's `candidates`")
    max_boosts: int = Field(1000, ge=1, description="most items in a request's `boost_item_ids`")
    max_boost: float = Field(
        2.0,
        gt=0.0,
        le=1000.0,
        allow_inf_nan=False,
        description="`boosts` lie between minus this and this; 2 is from the worst score to the best",
    )
    max_attributes: int = Field(1000, ge=1, description="most attributes of an item in `embed_item`")
    max_genres: int = Field(
        64,
        ge=1,
        description="most genres in a request's filter and in its tastes, most conditions in its `where` and "
        "counts in its `at_most`",
    )
    max_items: int = Field(
        1000, ge=1, description="most items that one `rate`, `explain` or `details` may ask about"
    )

    max_known_users: int = Field(
        100_000,
        ge=0,
        description="users whose history is kept in the model for `recommend_user`; with more, none is kept",
    )
    explain_history: int = Field(
        100, ge=1, description="newest known history events that `explain` weighs one by one"
    )
    diversity_pool: int = Field(
        200, ge=1, description="best items among which maximal marginal relevance chooses"
    )

    at_most_pool: int = Field(
        500,
        ge=1,
        description="best items among which `at_most` chooses first; where they are too few, among all",
    )

    exact_below: int = Field(
        1000,
        ge=16,
        description="catalogues smaller than this (items) are searched exactly: ScaNN gains nothing there",
    )
    target_recall: float = Field(
        0.99,
        gt=0.0,
        le=1.0,
        description="share of the exact top items that ScaNN has to find; leaves are added until it does",
    )
    recall_at: int = Field(100, ge=1, description="how many of the exact top items `target_recall` looks at")
    recall_queries: int = Field(512, ge=1, description="users whose queries measure that recall")
    filter_oversample: int = Field(
        5,
        ge=1,
        description="times more neighbours are asked of ScaNN where a filter or a long history left too few",
    )
    block_scores: int = Field(
        1 << 24,
        ge=1024,
        description="scores that exact search holds at once (4 bytes each), which bounds memory",
    )
    map_items: int = Field(
        5_000,
        ge=0,
        description="most rated items on the two-dimensional map that the model carries; 0: no map",
    )
    shown_users: int = Field(
        0,
        ge=0,
        description="users whose history and held-out events the model carries for an operator to look at "
        "in the application (`known_users`): training data as it is, which the model server hands out too",
    )
    drift_users: int = Field(
        10_000,
        ge=0,
        description="users of the log, drawn, whose events the model carries without their ids for "
        "`marquee drift`; 0: none, and drift finds the log in the metadata store of the runs alone",
    )
    embed_block: int = Field(4096, ge=1, description="items embedded at once while the index is built")

    @pydantic.model_validator(mode="after")
    def _default_within_limit(self) -> Self:
        if self.default_k > self.max_k:
            raise ValueError(
                f"default_k is {self.default_k}, above max_k {self.max_k}; raise max_k or lower default_k"
            )
        return self
