"""Hyperparameters of models; which kind reads which is in components/model/kinds.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.common.params import Section

Width = Annotated[int, Field(ge=1)]
HalfLife = Annotated[float, Field(gt=0)]


class Hyperparameters(Section):
    """What more than one kind of model reads, and what the two-tower does."""

    kind: str = Field("two_tower", description="see ModelParams")
    embedding_dim: int = Field(
        64, ge=2, le=1024, description="D, width of the shared item embedding and of both towers' output"
    )
    item_item_dim: int = Field(
        128,
        ge=2,
        le=1024,
        description="R, width that the closed-form item-item part adds to both towers' output; of ease, "
        "item_knn and ials the rank, and nearly all of the width",
    )
    item_item_weight: float = Field(
        0.025,
        ge=0,
        description="what one standard deviation of the item-item part adds to the towers' cosine; 0: no "
        "such part, and `item_item_dim` is not added",
    )
    item_item_l2: float = Field(300.0, gt=0, description="lambda of the item-item part, in events of an item")
    item_item_half_life: HalfLife = Field(
        20.0, description="after this many events the weight of one in the item-item part halves"
    )
    query_encoder: Literal["views", "transformer"] = Field(
        "views",
        description="the query tower: recency-weighted views of the history and what is known of the user, "
        "or a causal transformer over the history, which needs more data than views",
    )
    attention_layers: int = Field(2, ge=1, le=16, description="blocks of the transformer")
    attention_heads: int = Field(
        2, ge=1, le=64, description="heads of each block's attention; divides embedding_dim"
    )
    history_window: int = Field(
        100, ge=1, le=2048, description="events of a history that the query tower reads, newest last"
    )
    hidden: tuple[Width, ...] = Field(
        (128,),
        description="widths of the hidden layers in each tower; none: a candidate is its embeddings alone, "
        "and its popularity is not read",
    )
    embedding_rate: float = Field(
        1.0, gt=0, le=1000, description="how much faster than the rest of the towers the embeddings learn"
    )
    half_lives: tuple[HalfLife, ...] = Field(
        (1.0, 5.0, 20.0, 100.0),
        min_length=1,
        description="recency views of the history: after this many events a weight halves",
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="share of a tower's hidden units dropped in training")
    id_dropout: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of item ids replaced by the out-of-vocabulary row in training, "
        "so that an item without ratings is placed by its content",
    )
    history_dropout: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of training queries whose history is replaced by the genre tastes "
        "it shows, so that tastes alone work",
    )
    max_profile_values: int = Field(
        10_000,
        ge=1,
        description="values of each categorical, multi-valued or text column of your own users that have an "
        "embedding: the most frequent",
    )
    temperature: float = Field(
        0.1, gt=0, le=10, description="cosine similarities are divided by this before the softmax"
    )
    rating_hidden: tuple[Width, ...] = Field((64,), description="widths of the rating head's hidden layers")
    rating_shrinkage: float = Field(
        5.0, gt=0, description="pseudo-ratings that pull a user's or an item's mean to the global one"
    )
    rating_factors: int = Field(
        8, ge=0, le=256, description="factors of the closed-form part of the predicted stars; 0: no such part"
    )
    rating_factors_sweeps: int = Field(
        25, ge=1, description="passes over users and items in which the factors are fitted"
    )
    rating_factors_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of the factors' stars in those that are served; the rest is the head's",
    )
    rating_half_life: HalfLife = Field(
        50.0, description="after this many events the weight of one in a user's factors halves"
    )
    rating_window: int = Field(
        1000, ge=1, description="events of a history that the factors' stars are predicted from, newest last"
    )

    closed_form_events: int = Field(
        10_000_000,
        ge=1,
        description="events that the closed-form parts are fitted on, at most: of more, whole users drawn",
    )
