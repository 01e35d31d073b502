"""What the services answer. The API sends these as JSON; the page's templates read them."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

import contract
from contract.rating_scale import RatingScale

T = TypeVar("T")

MAX_BATCH = 1000
MAX_PAGE = 200
# Items that a request may name one by one; the model's own limits are lower.
MAX_NAMED = 10_000
# Kinds of events, and what they are to a history: see serving/app/services/histories.py.
BUILT_IN_KINDS = ("rating", "like", "dislike", "view", "hide")

# A like and a dislike as stars, on the scale of ratings: its top, and a step above its bottom.
STARS = {"like": contract.MAX_RATING, "dislike": 2 * contract.MIN_RATING}

PersonId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._~:@-]{1,128}$"), Field(examples=["ada", "u-17"])
]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~:@-]{1,128}$"), Field(examples=["e-1001"])]
# Ids of the data may hold anything that is printed.
ItemId = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,256}$"), Field(examples=["318"])]
Kind = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$"), Field(examples=["like", "rating"])
]
# Unix seconds from 0 to the end of the year 9999.
Time = Annotated[int, Field(ge=0, le=253_402_300_799, examples=[1_700_000_000])]


class Result(BaseModel):
    """Base of all: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- people and events --------------------------------------------------------


class Person(Result):
    """Somebody with events of their own."""

    id: PersonId
    created: Time
    events: int = Field(ge=0, description="how many events are stored")


class NewEvent(Result):
    """What somebody did with an item."""

    id: EventId | None = Field(
        default=None, description="makes a repeated request harmless; made up where it is left out"
    )
    kind: Kind = Field(description="rating, like, dislike, view, hide, or an event name of the data")
    item_id: ItemId
    value: float | None = Field(
        default=None,
        allow_inf_nan=False,
        ge=-1e6,
        le=1e6,
        description="of a rating, on the scale of the data",
    )
    time: Time | None = Field(default=None, description="Unix seconds; now where it is left out")


class Event(Result):
    """A stored event."""

    id: EventId
    kind: Kind
    item_id: ItemId
    value: float | None
    time: Time
    title: str | None = Field(default=None, description="of the item, in the version that answers")


class Stored(Result):
    """What became of posted events."""

    created: int = Field(description="stored now")
    repeated: int = Field(description="known by their id already, with the same content")
    ids: list[EventId] = Field(description="in the order of the request")


class Erased(Result):
    """What was erased with a person."""

    id: PersonId
    events: int
    exposures: int
    outcomes: int


class Page(Result, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="cursor of the next page; null on the last one")


# --- items ----------------------------------------------------------------------


class Item(Result):
    """An item as the catalogue of the answering version has it."""

    id: ItemId
    title: str
    year: int | None = None
    columns: dict[str, Any] = Field(
        default_factory=dict, description="the data's own columns: texts, lists of texts or numbers"
    )
    rating_count: int = Field(default=0, description="events of the training data")
    rating_mean: float | None = Field(default=None, description="of the training data; null without ratings")


class Reason(Result):
    """An item of the history, and how much of the score it carries."""

    item_id: ItemId
    title: str
    weight: float


class Recommended(Item):
    """An item of an answer."""

    score: float
    predicted_rating: float | None = Field(
        default=None, description="on the scale of the data; null where the model has no rating head"
    )
    reasons: list[Reason] = Field(default_factory=list, description="heaviest first")


class HistogramBar(Result):
    value: float
    count: int


class ItemDetails(Item):
    """An item with what the training data says of it."""

    histogram: list[HistogramBar] | None = Field(
        default=None, description="ratings of the training data by value; null where the model carries none"
    )
    version: int


class Facet(Result):
    """How many of the found items have a value."""

    value: str
    count: int


class Found(Page[Item]):
    """A page of search results."""

    total: int
    facets: dict[str, list[Facet]] = Field(description="by column, most frequent first")
    corrected: dict[str, str] = Field(
        default_factory=dict, description="typed word -> word of the titles that it was read as"
    )
    version: int


# --- recommendations --------------------------------------------------------------

Source = Literal["model", "cached", "popular"]


class Wishes(Result):
    """What is wanted of a list."""

    k: int = Field(default=10, ge=1, le=1000)
    genres: list[str] = Field(default_factory=list, max_length=64, description="any of these")
    year_min: int | None = Field(default=None, ge=0, le=9999)
    year_max: int | None = Field(default=None, ge=0, le=9999)
    where: list[str] = Field(
        default_factory=list,
        max_length=64,
        description='conditions on columns of the data: "brand=acme", "brand!=acme", "price<=20"',
        examples=[["year>=1990"]],
    )
    exclude: list[ItemId] = Field(default_factory=list, max_length=1000, description="items not to show")
    candidates: list[ItemId] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_NAMED,
        description="the only items to rank, at most `max_candidates` of the model; null for all",
    )
    boosts: dict[ItemId, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default_factory=dict,
        max_length=MAX_NAMED,
        description="by item, what to add to its score, up to `max_boost` of the model either way; in a "
        "popular list as a part of the largest score",
        examples=[{"318": 0.2}],
    )
    at_most: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        max_length=64,
        description="by column of values, how many items may share one",
        examples=[{"genres": 3}],
    )
    diversity: float = Field(default=0.0, ge=0, le=1, description="0 relevance only, 1 diversity only")
    tastes: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=dict, max_length=64, description="weight by value of the taste column"
    )
    explain: bool = Field(default=True, description="whether to say why, at the price of another request")
    ratings: bool = Field(
        default=True, description="whether to predict ratings, at the price of another request"
    )


class Recommendations(Result):
    """A list, all of it of one version."""

    items: list[Recommended]
    source: Source = Field(
        description="model: asked now; cached: this person's last list; popular: the most popular ones"
    )
    reason: str | None = Field(default=None, description="why the model did not answer; null where it did")
    model: str
    version: int
    experiment: str | None = None
    variant: str | None = None


class ItemList(Result):
    """Items with scores: similar, popular or new ones."""

    items: list[Recommended]
    source: Source
    reason: str | None = None
    version: int


# --- the model ----------------------------------------------------------------------


class Column(Result):
    """A column of the catalogue."""

    name: str
    kind: Literal["categorical", "multi", "number", "text"]
    taste: bool = Field(default=False, description="whether its values are tastes of a request")
    filters: bool = Field(default=True, description="whether `where` takes conditions on it")


class Scale(Result):
    """The scale of the data's ratings. The model takes stars, onto which it is mapped evenly."""

    low: float
    high: float
    step: float

    @classmethod
    def of(cls, low: float, high: float) -> Self:
        """With the step that people rate in: half stars, else whole numbers where there are enough."""
        if RatingScale(low, high).in_stars:
            return cls(low=low, high=high, step=0.5)
        return cls(low=low, high=high, step=1.0 if high - low >= 4 else (high - low) / 10)

    @functools.cached_property
    def _map(self) -> RatingScale:
        return RatingScale(self.low, self.high)

    def stars(self, rating: float) -> float:
        return float(self._map.stars(rating))

    def rating(self, stars: float) -> float:
        """The inverse of `stars`."""
        return float(self._map.rating(stars))


class ModelDescription(Result):
    """The version that answers, and what may be asked of it."""

    model: str
    version: int
    item_noun: str
    items: int
    scale: Scale | None = Field(description="null where the data has no ratings")
    event_kinds: list[str]
    columns: list[Column]
    taste_values: list[str] = Field(description="values of the taste column, most frequent first")
    max_k: int
    max_history: int
    limits: dict[str, float] = Field(description="what a request may hold, by name: max_candidates ...")
    trained: str | None = Field(description="when the version was pushed, ISO 8601")
    metrics: dict[str, float | None]
    gates: list[dict[str, Any]]
    run: str | None = None


# --- experiments ----------------------------------------------------------------------

ExperimentId = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"), Field(examples=["towers-2"])
]


class Variant(Result):
    """One side of an experiment."""

    name: ExperimentId
    label: str = Field(
        default="",
        max_length=64,
        description="version label that its people get; empty for the default version",
    )
    weight: float = Field(
        default=1.0, gt=0, le=1000, description="share of people, against the other weights"
    )


class NewExperiment(Result):
    id: ExperimentId
    variants: list[Variant] = Field(min_length=2, max_length=10)

    @field_validator("variants")
    @classmethod
    def _named_apart(cls, value: list[Variant]) -> list[Variant]:
        names = [variant.name for variant in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each variant has a name of its own; twice there: {', '.join(twice)}")
        return value


class ConfiguredExperiment(NewExperiment):
    """An experiment of the settings."""

    running: bool = Field(default=True, description="false ends it")


class Experiment(NewExperiment):
    started: Time
    stopped: Time | None
    weighed: Time | None = Field(
        default=None, description="when the weights were last changed; null for those of the start"
    )
