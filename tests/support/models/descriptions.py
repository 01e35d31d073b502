"""A model's description, for tests that need no model."""

from __future__ import annotations

from contract.description import Description

DESCRIPTION = Description(
    model="marquee",
    kind="two_tower",
    item_noun="item",
    items=0,
    known_users=0,
    feedback="explicit",
    rating_scale=(0.5, 5.0),
    data_rating_scale=(0.5, 5.0),
    event_weights={},
    columns=(),
    user_columns=(),
    limits={},
    signatures={},
)
