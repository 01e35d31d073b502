"""The kinds of models that the pipeline fits, gates and serves: one entry each.

A new kind is an entry here, with the hyperparameters that no other kind reads, and a file of its own
that says how it is fitted. Config, trainer, training job, export and leaderboard know kinds by their
entries alone. Code is imported by the entry's `code`, inside the function: reading a config needs no
TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import Field

from components.common.params import Section
from components.model.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from components.model.closed_form.models import ItemFactors, Solve
    from components.model.fit_inputs import FitInputs
    from components.model.protocols import Model
    from components.model.signatures import Catalogued, Signatures


class Code(NamedTuple):
    """What a kind runs.

    Attributes:
      build: a model from the data. One that learns in steps (`Kind.in_steps`) has every weight
        created, and what is solved for is solved; any other is fitted.
      signatures: a fitted model as a SavedModel, from it and what requests name things by.
    """

    build: Callable[[FitInputs], Model]
    signatures: Callable[[Any, Catalogued], Signatures]


def _no_check(params: Hyperparameters) -> None:
    """Nothing depends on anything else."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
      name: value of `model.kind`.
      summary: of the config's reference, one clause.
      reads: keys of the model section that it reads; any other must have its default.
      trainer_reads: the same of the trainer section; None: all of them.
      in_steps: learns in steps, by the training loop: with epochs, early stopping and checkpoints. If
        not, `Code.build` has fitted it.
      distributed: can be fitted by several workers.
      needs_ratings: cannot learn from a log without ratings.
      warm_start: its weights are exported, and a later fit can start from them.
      code: imports what it runs.
      check: raises ValueError for hyperparameters that do not go together.
    """

    name: str
    summary: str
    reads: frozenset[str]
    trainer_reads: frozenset[str] | None
    in_steps: bool
    distributed: bool
    needs_ratings: bool
    warm_start: bool
    code: Callable[[], Code]
    check: Callable[[Hyperparameters], None] = _no_check


# --- learnt in steps ------------------------------------------------------------


def _two_tower() -> Code:
    from components.model.towers import build, servable

    return Code(build.build, servable.Towers)


def _heads_divide_the_width(params: Hyperparameters) -> None:
    if params.query_encoder == "transformer" and params.embedding_dim % params.attention_heads:
        raise ValueError(
            f"attention_heads: {params.attention_heads} heads do not divide embedding_dim "
            f"{params.embedding_dim}; choose one of its divisors"
        )


# All but what a loss over candidates that are not the next event reads.
_STARS_TRAINER_READS: Final = frozenset({
    "seed", "epochs", "max_steps", "batch_size", "learning_rate", "lazy_adam", "monitor_k",
    "monitor_users", "patience", "warm_start", "scratch", "checkpoint_dir", "checkpoint_steps",
})  # fmt: skip


def _content_two_tower() -> Code:
    from components.model.towers import content_two_tower

    return Code(content_two_tower.build, content_two_tower.ContentSignatures)


# --- in closed form --------------------------------------------------------------

# All of them predict stars by these factors, and count events by train.
_STARS: Final = frozenset(
    {"rating_factors", "rating_factors_sweeps", "rating_half_life", "rating_window", "closed_form_events"}
)
_HISTORY: Final = frozenset({"history_window", "item_item_dim", "item_item_half_life"})
_SOLVED_TRAINER_READS: Final = frozenset({"seed", "monitor_k", "monitor_users", "scratch"})


def _rating_factors_there(params: Hyperparameters) -> None:
    if not params.rating_factors:
        raise ValueError(
            f"rating_factors: 0 leaves {params.kind} without predicted stars; expected at least 1"
        )


def _solved(name: str, summary: str, reads: frozenset[str], code: Callable[[], Code]) -> Kind:
    return Kind(
        name=name,
        summary=summary,
        reads=_STARS | reads,
        trainer_reads=_SOLVED_TRAINER_READS,
        in_steps=False,
        distributed=False,
        needs_ratings=False,
        warm_start=False,
        code=code,
        check=_rating_factors_there,
    )


def _solved_by(solve: Solve) -> Code:
    from components.model.closed_form import models

    return Code(lambda inputs: models.build(inputs, solve), models.SolvedVectors)


def _popularity() -> Code:
    from components.model.closed_form import models

    return _solved_by(models.no_factors)


class KnnHyperparameters(Section):
    """Of item_knn alone."""

    knn_neighbours: int = Field(
        100, ge=1, description="of item_knn: neighbours that each item is scored by, the most similar"
    )
    knn_shrink: float = Field(
        20.0, ge=0, description="of item_knn: events that draw the similarity of items with few to 0"
    )


def _item_knn() -> Code:
    from components.model.closed_form import fold_in, models, neighbours

    def solve(params: Hyperparameters, watched: csr_matrix, seed: int) -> ItemFactors:
        assert isinstance(params, KnnHyperparameters)
        history, candidate = neighbours.fit_factors(
            watched, params.item_item_dim, params.knn_shrink, params.knn_neighbours
        )
        return models.ItemFactors(history, candidate, fold_in.WeightedSum())

    return _solved_by(solve)


def _ease() -> Code:
    from components.model.closed_form import ease, fold_in, models

    def solve(params: Hyperparameters, watched: csr_matrix, seed: int) -> ItemFactors:
        history, candidate, _ = ease.fit_factors(watched, params.item_item_dim, params.item_item_l2)
        return models.ItemFactors(history, candidate, fold_in.WeightedSum())

    return _solved_by(solve)


class AlsHyperparameters(Section):
    """Of ials alone."""

    als_regularisation: float = Field(
        10.0, gt=0, description="of ials: lambda, what the squared factors of each user and item weigh"
    )
    als_confidence: float = Field(
        1.0, gt=0, description="of ials: how much an event weighs, where a missing one weighs 1"
    )
    als_sweeps: int = Field(15, ge=1, description="of ials: passes over users and items")


def _ials() -> Code:
    from components.model.closed_form import als, fold_in, models

    def solve(params: Hyperparameters, watched: csr_matrix, seed: int) -> ItemFactors:
        assert isinstance(params, AlsHyperparameters)
        regularisation, confidence = params.als_regularisation, params.als_confidence
        items = als.fit(
            watched, params.item_item_dim, regularisation, confidence, params.als_sweeps, seed
        ).item_factors
        return models.ItemFactors(items, items, fold_in.LeastSquares(items, regularisation, confidence))

    return _solved_by(solve)


# --- the registry ----------------------------------------------------------------


class AllHyperparameters(AlsHyperparameters, KnnHyperparameters, Hyperparameters):
    """The keys of every kind, as the config's model section has them."""


_ENTRIES: Final = (
    Kind(
        name="two_tower",
        summary="the towers that the keys below set up",
        reads=frozenset(Hyperparameters.model_fields),
        trainer_reads=None,
        in_steps=True,
        distributed=True,
        needs_ratings=False,
        warm_start=True,
        code=_two_tower,
        check=_heads_divide_the_width,
    ),
    _solved("popularity", "the number of train events", frozenset(), _popularity),
    _solved(
        "item_knn",
        "neighbours by shrunken cosine",
        _HISTORY | frozenset(KnnHyperparameters.model_fields),
        _item_knn,
    ),
    _solved("ease", "a linear item-item model", _HISTORY | {"item_item_l2"}, _ease),
    _solved(
        "ials",
        "factors by alternating least squares",
        _HISTORY | frozenset(AlsHyperparameters.model_fields),
        _ials,
    ),
    Kind(
        name="content_two_tower",
        summary="two small towers over content alone, fitted to the ratings",
        reads=frozenset({"history_window", "dropout"}),
        trainer_reads=_STARS_TRAINER_READS,
        in_steps=True,
        distributed=True,
        needs_ratings=True,
        warm_start=True,
        code=_content_two_tower,
    ),
)
KINDS: Final = {kind.name: kind for kind in _ENTRIES}
