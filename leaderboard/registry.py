"""The models by name. A model's module is imported when it is made."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from leaderboard.model import Model

OURS: Final = "two_tower"

# Name -> module below `models` and class, in the order of the table.
_CLASSES: Final = {
    "popularity": ("simple.popularity", "Popularity"),
    "decayed_popularity": ("simple.popularity", "DecayedPopularity"),
    "top_per_genre": ("simple.popularity", "TopPerGenre"),
    "content_cosine": ("simple.content", "ContentCosine"),
    "bias": ("simple.bias", "Bias"),
    "bias_history": ("simple.bias", "BiasHistory"),
    "item_knn": ("linear.item_knn", "ItemKnn"),
    "ease": ("linear.ease", "Ease"),
    "ease_recency": ("linear.ease", "EaseRecency"),
    "ials": ("linear.factors", "ImplicitAls"),
    "bpr": ("linear.factors", "Bpr"),
    "svd": ("linear.factors", "TruncatedSvd"),
    "matrix_factorisation": ("learnt.matrix_factorisation", "MatrixFactorisation"),
    "embedding_dnn": ("learnt.embedding_dnn", "EmbeddingDnn"),
    "content_two_tower": ("learnt.content_two_tower", "ContentTwoTower"),
    "transformer": ("learnt.transformer", "Transformer"),
    OURS: ("learnt.two_tower", "TwoTower"),
}
NAMES: Final = tuple(_CLASSES)
# Those that predict stars (`Model.RATES`); a test compares.
RATING: Final = (
    "bias", "bias_history", "svd", "matrix_factorisation", "embedding_dnn", "content_two_tower", OURS,
)  # fmt: skip

# Files that a model's fit reads beside its code: below the project's folder.
_DATA: Final = {OURS: ("components/transform/schemas/items.pbtxt",)}


def module_name(name: str) -> str:
    """The module that a model's class stands in.

    Raises:
      ValueError: there is no such model; the text names those that there are.
    """
    if name not in _CLASSES:
        raise ValueError(f"there is no model {name!r}; the models are {', '.join(NAMES)}")
    return f"leaderboard.models.{_CLASSES[name][0]}"


def data(name: str) -> tuple[str, ...]:
    """The files that a model's fit reads beside its code, below the project's folder."""
    return _DATA.get(name, ())


def model_class(name: str) -> type[Model]:
    """Raises ValueError as `module_name` does."""
    module = importlib.import_module(module_name(name))
    found: type[Model] = getattr(module, _CLASSES[name][1])
    return found


def make(name: str, seed: int, hyperparameters: Mapping[str, Any]) -> Model:
    """A model with some of its hyperparameters set.

    Args:
      hyperparameters: hyperparameter -> value. "section.key" sets one key of a mapping; a value of
        None leaves the default in force.
    """
    arguments: dict[str, Any] = {}
    for key, value in hyperparameters.items():
        section, _, inner = key.partition(".")
        if value is None:
            continue
        if inner:
            arguments[section] = {**arguments.get(section, {}), inner: value}
        elif isinstance(value, Mapping):
            arguments[key] = {**value, **arguments.get(key, {})}
        else:
            arguments[key] = value
    return model_class(name)(seed=seed, **arguments)
