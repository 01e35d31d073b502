"""What a model says of itself: all that a client has to know before it asks.

The index writes it beside the SavedModel (`contract.DESCRIPTION`); the server's metadata, /openapi.json
and PUSHED.json repeat it as it is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import contract
from contract.rating_scale import RatingScale

ColumnType = Literal["text", "categorical", "multi", "number", "year"]
# A column with more values than this lists none: a page could not show them, nor a request choose.
MAX_VALUES: Final = 200
# The one limit that is no count.
_MAX_BOOST: Final = "max_boost"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the catalogue, or of the users.

    Attributes:
      name: as `columns` of `details` and conditions have it.
      type: text is free; categorical has one value of a vocabulary or none, multi any number of them;
        a year is a whole number.
      filters: whether conditions (`where`) can name it.
      taste: whether tastes are in it.
      values: of a categorical or multi column, most frequent first; None if there are more than MAX_VALUES.
      low, high: of numbers and years; None where no item has one.
    """

    name: str
    type: ColumnType
    filters: bool = False
    taste: bool = False
    values: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Description:
    """One model.

    Attributes:
      model: its name, one of contract.MODELS.
      kind: `model.kind` of the config that it was fitted by.
      item_noun: what an item is called: movie, product.
      items: how many it knows.
      known_users: users whose history it carries (`recommend_user`).
      feedback: explicit, with ratings, or implicit, with weights of events.
      rating_scale: lowest and highest rating of a history; None if feedback is implicit.
      data_rating_scale: the same in the data's files, mapped evenly onto `rating_scale`: see `scale`.
      event_weights: of a log whose events are of several kinds: the weight of each, of the heaviest 1.
      columns: of the catalogue, in the order of `details`.
      user_columns: that are known of users, by `user_id`.
      limits: keys of the config's section `index`, such as max_k and max_history.
      signatures: by name, inputs and outputs: name, dtype and shape by letters of dimensions, and of
        inputs whether they are required, and else the default.
    """

    model: str
    kind: str
    item_noun: str
    items: int
    known_users: int
    feedback: Literal["explicit", "implicit"]
    rating_scale: tuple[float, float] | None
    data_rating_scale: tuple[float, float] | None
    event_weights: Mapping[str, float]
    columns: tuple[Column, ...]
    user_columns: tuple[Column, ...]
    limits: Mapping[str, float]
    signatures: Mapping[str, Mapping[str, Any]]

    @property
    def taste(self) -> Column | None:
        """The column that tastes are in."""
        return next((column for column in self.columns if column.taste), None)

    @property
    def scale(self) -> RatingScale | None:
        """Maps ratings as people give and read them to those of requests and answers, and back."""
        return self.data_rating_scale and RatingScale(*self.data_rating_scale)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From `to_dict`, or the JSON of it, whose whole numbers may have come as 3.0.

        Raises:
          KeyError, TypeError, ValueError: it is something else.
        """
        given = {field.name: document[field.name] for field in dataclasses.fields(cls)}
        given |= {name: int(given[name]) for name in ("items", "known_users")}
        given |= {name: tuple(map(_column, given[name])) for name in ("columns", "user_columns")}
        for name in ("rating_scale", "data_rating_scale"):
            scale = given[name]
            given[name] = None if scale is None else (float(scale[0]), float(scale[1]))
        # Over gRPC every number is a float: those of things are whole, that of a score is not.
        given["limits"] = {
            name: float(value) if name == _MAX_BOOST else int(value)
            for name, value in given["limits"].items()
        }
        return cls(**given)


def _column(document: Mapping[str, Any]) -> Column:
    known = {field.name for field in dataclasses.fields(Column)}
    given = {name: value for name, value in document.items() if name in known}
    values = given.get("values")
    return Column(**{**given, "values": None if values is None else tuple(values)})


def of_signatures(
    signatures: Mapping[str, contract.Signature], defaults: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """`Description.signatures`.

    Args:
      signatures: by name.
      defaults: by signature and input, where a model's own is not the neutral value.
    """
    return {
        name: {
            "inputs": [
                {
                    **_tensor(item),
                    "required": item.required,
                    **(
                        {}
                        if item.required
                        else {"default": defaults.get(name, {}).get(item.name, _neutral(item))}
                    ),
                }
                for item in signature.inputs
            ],
            "outputs": [_tensor(item) for item in signature.outputs],
        }
        for name, signature in signatures.items()
    }


def _tensor(item: contract.Output) -> dict[str, Any]:
    letters = (item.columns, item.depth)
    return {"name": item.name, "dtype": item.dtype, "shape": ["B", *(each for each in letters if each)]}


def _neutral(item: contract.Input) -> str | float | int:
    return item.neutral.decode() if isinstance(item.neutral, bytes) else item.neutral
