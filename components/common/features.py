"""What the columns of items and users mean, from the config to the model.

`example_gen` is told in the config and writes it into its artifacts, so that every
later step reads it from the data that it belongs to.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final, Literal

import pydantic
from pydantic import Field

import contract
from components.common.params import Section
from contract.rating_scale import RatingScale

Kind = Literal["categorical", "multi", "number", "text"]
Feedback = Literal["explicit", "implicit"]

_PLAIN_NAME: Final = r"^[a-z][a-z0-9_]{0,62}$"


class FeatureSpec(Section):
    """One column that the model reads.

    categorical: one value of a vocabulary, or none. multi: any number of them.
    number: one number, or none. text: words, weighted by TF-IDF.
    """

    name: str = Field(
        pattern=_PLAIN_NAME,
        description="in artifacts, models and requests: lower case letters, digits and _; of a name with "
        "others, such as Brand Name, it is brand_name, and the column keeps the name as it is",
    )
    kind: Kind = Field(description="what its values are")
    column: str | None = Field(default=None, description="its column in the table; null: its name")
    tfidf: bool = Field(
        default=False, description="of kind multi: values weigh by TF-IDF, and unknown ones are left out"
    )
    log: bool = Field(
        default=False, description="of kind number: its logarithm counts, as that of a price does"
    )
    taste: bool = Field(
        default=False,
        description="of kind categorical or multi: what a person can say a taste in (one feature)",
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _plain_name(cls, values: Any) -> Any:
        """The graph and the wire have plain names; a table may have any."""
        name = values.get("name") if isinstance(values, dict) else None
        if not isinstance(name, str) or re.fullmatch(_PLAIN_NAME, name):
            return values
        plain = _plain(name)
        if not re.fullmatch(_PLAIN_NAME, plain):
            raise ValueError(
                f"name {name!r}: expected a name of plain letters, digits and _, that starts with a letter; "
                f"give it one, and column: {name!r} beside it"
            )
        return {**values, "name": plain, "column": values.get("column") or name}

    @pydantic.model_validator(mode="after")
    def _fits_its_kind(self) -> FeatureSpec:
        for key, given, kinds in (
            ("tfidf", self.tfidf, ("multi",)),
            ("log", self.log, ("number",)),
            ("taste", self.taste, ("categorical", "multi")),
        ):
            if given and self.kind not in kinds:
                raise ValueError(f"{self.name}: {key} is for the kind {' or '.join(kinds)}, not {self.kind}")
        return self

    @property
    def source(self) -> str:
        """The column in the user's table."""
        return self.column or self.name

    @property
    def weighted(self) -> bool:
        """Whether its values have TF-IDF weights."""
        return self.tfidf or self.kind == "text"

    @property
    def filters(self) -> bool:
        """Whether a request can filter by it."""
        return not self.weighted


def _plain(name: str) -> str:
    """Letters without accents and capitals, and _ for all but letters and digits."""
    ascii_ = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", ascii_.lower()).strip("_")


# What MovieLens says of an item. Their raw columns have names and types of their own in the contract.
MOVIELENS: Final = (
    FeatureSpec(name=contract.GENRES, kind="multi", taste=True),
    FeatureSpec(name=contract.TAGS, kind="multi", tfidf=True),
    FeatureSpec(name=contract.YEAR, kind="number"),
)
MOVIELENS_NAMES: Final = tuple(spec.name for spec in MOVIELENS)


# Names of something else in artifacts and models.
RESERVED: Final = (*(set(contract.ITEM_FEATURES) - set(MOVIELENS_NAMES)), "items", "item_ids", "tastes")


def own(specs: Iterable[FeatureSpec]) -> tuple[FeatureSpec, ...]:
    """Those that are not MovieLens's."""
    return tuple(spec for spec in specs if spec.name not in MOVIELENS_NAMES)


def inputs(specs: Iterable[FeatureSpec]) -> tuple[contract.Input, ...]:
    """What says of one item that it has these features, beyond MovieLens's, which the contract names."""
    return tuple(_input(spec) for spec in own(specs))


def _input(spec: FeatureSpec) -> contract.Input:
    if spec.kind == "number":
        return contract.Input(spec.name, "float32", None, contract.UNKNOWN_NUMBER)
    return contract.Input(spec.name, "string", spec.name if spec.kind == "multi" else None, contract.PAD_ID)


class Features(Section):
    """What a data set holds beside ids and times.

    Attributes:
      feedback: whether events have ratings; implicit ones have a weight at most.
      item, user: what is known of each.
      item_noun: what an item is called.
      event_weights: of events of several kinds without ratings: of each kind, of the heaviest 1.
      rating_scale: lowest and highest rating in the files, which artifacts have as stars.
      timed: whether events have times; if not, their order is that of the rows.
    """

    feedback: Feedback = "explicit"
    rating_scale: tuple[float, float] = (contract.MIN_RATING, contract.MAX_RATING)
    timed: bool = True
    item: tuple[FeatureSpec, ...] = MOVIELENS
    user: tuple[FeatureSpec, ...] = ()
    item_noun: str = "item"
    event_weights: dict[str, float] = Field(default_factory=dict)

    @property
    def implicit(self) -> bool:
        return self.feedback == "implicit"

    @property
    def scale(self) -> RatingScale:
        """Of the ratings in the files."""
        return RatingScale(*self.rating_scale)
