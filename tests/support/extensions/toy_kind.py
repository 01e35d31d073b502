"""A kind of model in one file: a query is the mean of its history's items. Learnt in steps.

With its entry in the registry it is all that the pipeline needs.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras as keras

from components.common.tensors import take
from components.model.batches import Pairs
from components.model.features import ItemFeatures
from components.model.fit_inputs import FitInputs
from components.model.history import History
from components.model.kinds import Code, Kind
from components.model.signatures import Catalogued, Events, Signatures, buffer


class MeanOfItems(keras.Model):
    """Item vectors of length 1; softmax of the next item over all of the catalogue."""

    by_sequence = False
    inputs_by_word: tuple[str, ...] = ()

    def __init__(self, inputs: FitInputs) -> None:
        super().__init__()
        self.params, self.catalogue = inputs.params, inputs.catalogue
        shape = [inputs.catalogue.size, inputs.params.embedding_dim]
        self.items = self.add_weight(name="items", shape=shape, initializer="random_normal")

    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        del now, profile
        return mean_of(self.embed_catalogue(), history)

    def embed_catalogue(self) -> tf.Tensor:
        return tf.math.l2_normalize(self.items, axis=1)

    @property
    def parameters(self) -> int:
        return int(np.prod(self.items.shape))

    def step_losses(self, pairs: Pairs, training: bool) -> dict[str, tf.Tensor]:
        del training
        items = self.embed_catalogue()
        scores = tf.linalg.matmul(mean_of(items, pairs.history), items, transpose_b=True)
        scores /= self.params.temperature
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=pairs.target, logits=scores)
        return {"next": tf.reduce_mean(losses)}

    def total_loss(self, losses: dict[str, tf.Tensor]) -> tf.Tensor:
        return losses["next"]


def mean_of(items: tf.Tensor, history: History) -> tf.Tensor:
    """float32[B, D] of length 1."""
    present = tf.cast(history.mask, tf.float32)[:, :, tf.newaxis]
    return tf.math.l2_normalize(tf.reduce_sum(present * tf.gather(items, history.rows), axis=1), axis=1)


class MeanOfItemsSignatures(Signatures):
    def __init__(self, model: MeanOfItems, named: Catalogued) -> None:
        super().__init__("mean_of_items", named, model.catalogue, rates=False)
        self._window = model.params.history_window
        self._items = buffer(model.embed_catalogue(), "items")
        # By the vocabulary's rows, the last of which is of whatever is not in it.
        of_word = np.zeros([int(model.catalogue.features.item_index.max()) + 2, self._items.shape[1]])
        of_word[model.catalogue.features.item_index] = model.embed_catalogue()
        self._of_word = buffer(of_word.astype(np.float32), "items_by_word")

    def _query(self, events: Events, now: tf.Tensor, taste: tf.Tensor, user_id: tf.Tensor) -> tf.Tensor:
        del now, taste, user_id
        return mean_of(self._items.read_value(), events.window(self._window))

    def _item(self, features: ItemFeatures, count: tf.Tensor) -> tf.Tensor:
        del count
        return take(self._of_word, features.item_index)

    def _stars(self, events: Events, now: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        raise AssertionError("it predicts no stars")


def code() -> Code:
    return Code(MeanOfItems, MeanOfItemsSignatures)


ENTRY = Kind(
    name="mean_of_items",
    summary="the mean of a history's item vectors",
    reads=frozenset({"embedding_dim", "history_window", "temperature"}),
    trainer_reads=frozenset({"seed", "epochs", "batch_size", "learning_rate", "monitor_k"}),
    in_steps=True,
    distributed=False,
    needs_ratings=False,
    warm_start=False,
    code=code,
)
