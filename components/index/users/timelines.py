"""Serialized timelines as the dense tensors of a request."""

from __future__ import annotations

import tensorflow as tf

import contract

_TYPES = (tf.string, tf.float32, tf.int64)


def parse(examples: tf.Tensor, implicit: bool) -> dict[str, tf.Tensor]:
    """Parses string[B] tf.Examples, whose events have weights in place of ratings if `implicit`.

    Returns:
      USER_ID string[B]; the history features [B, H] and the target features
      [B, M], padded with "" and 0 (an id says which places count); NOW int64[B],
      when the first target was about to be watched, 0 without targets.
    """
    spec = {
        contract.of_feedback(name, implicit): tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
        for names in (contract.HISTORY_FEATURES, contract.TARGET_FEATURES)
        for name, dtype in zip(names, _TYPES, strict=True)
    }
    parsed = tf.io.parse_example(examples, {**spec, contract.USER_ID: tf.io.FixedLenFeature([], tf.string)})
    dense = {
        name: value.to_tensor() if isinstance(value, tf.RaggedTensor) else value
        for name, value in parsed.items()
    }
    # One more column, so that a batch without any target has a first one.
    first = tf.pad(dense[contract.TARGET_TIMESTAMPS], [[0, 0], [0, 1]])[:, 0]
    return {**dense, contract.NOW: first}
