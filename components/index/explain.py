"""Why an item: how much of its score each item of the history carries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

import contract


def leave_one_out(
    history: Mapping[str, tf.Tensor],
    rows: tf.Tensor,
    embed: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    items: tf.Tensor,
    newest: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Explains one request.

    The weight of a history item is exact: the score with the whole history
    minus the score with every event of that item taken out. A score is a
    cosine, so weights are too small or too large to add up to it, and one that
    speaks against the item is negative.

    Args:
      history: contract.HISTORY_FEATURES, each [H]: the whole history, so that
        the tower's own window moves as it would.
      rows: int32[H], catalogue rows, -1 for padding and unknown items.
      embed: (history of J rows, each [J, H]) -> float32[J, D] unit vectors.
      items: float32[M, D], unit vectors of the items asked about.
      newest: only the last so many different items are weighed.

    Returns:
      int32[M, contract.EXPLAIN_WIDTH] catalogue rows, heaviest first, -1 where
      there is none, and float32 weights, contract.PAD_SCORE beside a -1.
    """
    different = tf.unique(tf.reverse(tf.boolean_mask(rows, rows >= 0), [0])).y[:newest]
    # The first version keeps everything: no row is -2.
    left_out = tf.concat([[-2], different], axis=0)
    stays = rows[tf.newaxis, :] != left_out[:, tf.newaxis]
    versions = {
        name: tf.where(stays, values[tf.newaxis, :], tf.zeros([], values.dtype))
        for name, values in history.items()
    }
    scores = tf.linalg.matmul(embed(versions), items, transpose_b=True)
    weights = tf.transpose(scores[:1] - scores[1:])
    top = tf.math.top_k(weights, tf.minimum(contract.EXPLAIN_WIDTH, tf.shape(weights)[1]))
    missing = [[0, 0], [0, contract.EXPLAIN_WIDTH - tf.shape(top.values)[1]]]
    return (
        tf.pad(tf.gather(different, top.indices), missing, constant_values=-1),
        tf.pad(top.values, missing, constant_values=contract.PAD_SCORE),
    )
