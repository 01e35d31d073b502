"""Knobs of the model itself; how it is fitted is in components/trainer/params.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from components.common.params import Section

Width = Annotated[int, Field(ge=1)]
HalfLife = Annotated[float, Field(gt=0)]

Kind = Literal["two_tower", "popularity", "item_knn", "ease", "content_two_tower"]
# Kinds that are solved, not learnt in steps.
CLOSED_FORM: Final = ("popularity", "item_knn", "ease")

_STARS = {
    "rating_factors", "rating_factors_sweeps", "rating_half_life", "rating_window", "closed_form_events"
}  # fmt: skip
_HISTORY = {"history_window", "item_item_dim", "item_item_half_life"}
_KNN = {"knn_neighbours", "knn_shrink"}
# The keys that each kind reads; two_tower: all but _KNN.
_READ: Final[dict[str, set[str]]] = {
    "popularity": _STARS,
    "item_knn": _STARS | _HISTORY | _KNN,
    "ease": _STARS | _HISTORY | {"item_item_l2"},
    "content_two_tower": {"history_window", "dropout"},
}


class ModelParams(Section):
    kind: Kind = Field(
        "two_tower",
        description="what is fitted and served. two_tower: the towers that the keys below set up. In closed "
        "form: popularity (the number of train events), item_knn (neighbours by shrunken cosine) or ease (a "
        "linear item-item model). content_two_tower: two small towers over content alone, fitted to the "
        "ratings. A key that a kind does not read is refused unless it has its default; docs/how-it-works.md "
        "lists what each reads",
    )
    embedding_dim: int = Field(
        64, ge=2, le=1024, description="D, width of the shared item embedding and of both towers' output"
    )
    item_item_dim: int = Field(
        128,
        ge=2,
        le=1024,
        description="R, width that the closed-form item-item part adds to both towers' output; of ease and "
        "item_knn the rank, and nearly all of the width",
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
    knn_neighbours: int = Field(
        100, ge=1, description="of item_knn: neighbours that each item is scored by, the most similar"
    )
    knn_shrink: float = Field(
        20.0, ge=0, description="of item_knn: events that draw the similarity of rarely watched items to 0"
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

    @property
    def closed_form(self) -> bool:
        return self.kind in CLOSED_FORM

    @model_validator(mode="after")
    def _nothing_is_set_in_vain(self) -> ModelParams:
        read = _READ.get(self.kind, set(ModelParams.model_fields) - _KNN)
        refuse_unread(self.changed(read | {"kind"}), self.kind)
        if self.closed_form and not self.rating_factors:
            raise ValueError(
                f"rating_factors: 0 leaves {self.kind} without predicted stars; expected at least 1"
            )
        return self

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> ModelParams:
        if self.query_encoder == "transformer" and self.embedding_dim % self.attention_heads:
            raise ValueError(
                f"attention_heads: {self.attention_heads} heads do not divide embedding_dim "
                f"{self.embedding_dim}; choose one of its divisors"
            )
        return self


def refuse_unread(changed: Mapping[str, tuple[Any, Any]], kind: str) -> None:
    """
    Args:
      changed: keys that `kind` does not read, with the value and the default: see `Section.changed`.

    Raises:
      ValueError: there are any.
    """
    if changed:
        named = ", ".join(f"{key} = {_word(value)}" for key, (value, _) in changed.items())
        defaults = ", ".join(f"{key} = {_word(default)}" for key, (_, default) in changed.items())
        raise ValueError(
            f"{named}: not read by model.kind {kind}; leave the default ({defaults}), or choose a kind that "
            "reads what you set"
        )


def _word(value: Any) -> str:
    """As YAML has it."""
    return str(list(value)) if isinstance(value, tuple) else repr(value)
