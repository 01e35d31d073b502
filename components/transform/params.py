"""Knobs of Transform."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section


class TransformParams(Section):
    """Which ids, genres and tags the model gets a row for."""

    min_ratings: int = Field(
        1,
        ge=1,
        description="Train ratings an item needs for a row of its own in the item vocabulary. Below it, "
        "an item is embedded from its content with the out-of-vocabulary row.",
    )
    max_tags: int = Field(
        1000,
        ge=1,
        description="Tags (of your own items also words of each text) kept in the vocabulary: those of the "
        "most items.",
    )
    min_tag_items: int = Field(2, ge=1, description="Items a tag or word must be on to enter the vocabulary.")
    max_values: int = Field(
        100_000,
        ge=1,
        description="Values of each categorical or multi-valued column of your own items kept in the "
        "vocabulary: the most frequent.",
    )
