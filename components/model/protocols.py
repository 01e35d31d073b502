"""What the trainer and the leaderboard ask of a model, of whatever kind."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from components.model.features import Catalogue
from components.model.history import History
from components.model.hyperparameters import Hyperparameters


class Model(Protocol):
    """Dot products of a query's vector with the items' vectors rank."""

    params: Hyperparameters
    catalogue: Catalogue

    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """float32[B, D].

        Args:
          history: windowed events.
          now: int64[B], Unix seconds of the request; 0: not known.
          profile: int32[B], rows of the table of profiles; None: nothing is known of anybody.
        """

    def embed_catalogue(self) -> tf.Tensor:
        """float32[N, D], of length 1."""

    @property
    def parameters(self) -> int:
        """How many numbers were learnt or solved for."""


class LearnsInSteps(Model, Protocol):
    """A Keras model that the training loop fits.

    Attributes:
      by_sequence: whether a step's batch is (Sequences, Pairs), else it is (Pairs,).
      inputs_by_word: vocabularies that inputs follow word by word, so that its weights fit no other
        order of them.
    """

    by_sequence: bool
    inputs_by_word: tuple[str, ...]
    trainable_variables: list[tf.Variable]

    def step_losses(self, *batch: Any, training: bool) -> dict[str, tf.Tensor]:
        """Scalar losses by name; on a replica, its parts of them."""

    def total_loss(self, losses: dict[str, tf.Tensor]) -> tf.Tensor:
        """Scalar: what is minimised."""

    def get_weights(self) -> list[Any]: ...

    def set_weights(self, weights: list[Any]) -> None: ...
