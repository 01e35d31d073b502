"""Serialized timelines as the dense tensors of a request."""

from __future__ import annotations

import tensorflow as tf

import contract

_RAGGED = {
    contract.HISTORY_ITEM_IDS: tf.string,
    contract.HISTORY_RATINGS: tf.float32,
    contract.HISTORY_TIMESTAMPS: tf.int64,
    contract.TARGET_ITEM_IDS: tf.string,
    contract.TARGET_RATINGS: tf.float32,
    contract.TARGET_TIMESTAMPS: tf.int64,
}


def parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
    """Parses string[B] tf.Examples.

    Returns:
      USER_ID string[B]; the history features [B, H] and the target features
      [B, M], padded with "" and 0 (an id says which places count); NOW int64[B],
      when the first target was about to be watched, 0 without targets.
    """
    spec = {name: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64) for name, dtype in _RAGGED.items()}
    parsed = tf.io.parse_example(examples, {**spec, contract.USER_ID: tf.io.FixedLenFeature([], tf.string)})
    dense = {
        name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
        for name, value in parsed.items()
    }
    # One more column, so that a batch without any target has a first one.
    first = tf.pad(dense[contract.TARGET_TIMESTAMPS], [[0, 0], [0, 1]])[:, 0]
    return {**dense, contract.NOW: first}
