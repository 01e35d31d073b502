"""The best items of which no more than a number share a value."""

from __future__ import annotations

import tensorflow as tf

from components.index.search.candidates import NOTHING, Candidates


def at_most(pool: Candidates, values: tf.Tensor, room: tf.Tensor, width: tf.Tensor) -> Candidates:
    """Takes each row's items one by one, best first, passing over one of which a value is used up.

    Args:
      pool: Candidates [B, P], best first.
      values: int32[B, P, L], places of the items' values; an item's are different, but for the last
        place, which is nobody's.
      room: int32[B, S + 1], how many items with a value may be taken; the last place has room for all.
      width: int32[], items to take.

    Returns:
      Candidates [B, width], best first.
    """
    batch, last = tf.shape(pool.rows)[0], tf.shape(room)[1] - 1
    each = tf.range(batch)[:, tf.newaxis]

    def unfinished(taken: tf.Tensor, _: tf.TensorArray, scores: tf.Tensor, room: tf.Tensor) -> tf.Tensor:
        # Once in any case: no elements of an array have no shape.
        return (taken == 0) | (taken < width) & tf.reduce_any(scores > NOTHING)

    def step(
        taken: tf.Tensor, chosen: tf.TensorArray, scores: tf.Tensor, room: tf.Tensor
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.Tensor, tf.Tensor]:
        pick = tf.argmax(scores, axis=1, output_type=tf.int32)  # the first of equals
        found = tf.gather(scores, pick, batch_dims=1) > NOTHING
        used = tf.where(found[:, tf.newaxis], tf.gather(values, pick, batch_dims=1), last)
        # The last place is not counted: any number of items may be in it.
        minus = tf.where(used == last, 0, -1)
        at = tf.stack([tf.broadcast_to(each, tf.shape(used)), used], axis=2)
        room = tf.tensor_scatter_nd_add(room, at, minus)
        open_ = tf.reduce_all(tf.gather(room, values, batch_dims=1) > 0, axis=2)
        left = open_ & ~tf.one_hot(pick, tf.shape(scores)[1], True, False)
        scores = tf.where(left, scores, NOTHING)
        return taken + 1, chosen.write(taken, tf.where(found, pick, -1)), scores, room

    anything = tf.TensorShape([None, None])
    taken, chosen, _, _ = tf.while_loop(
        unfinished,
        step,
        (
            tf.constant(0),
            tf.TensorArray(tf.int32, size=width, element_shape=[None]),
            pool.scores,
            room,
        ),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape(None), anything, anything),
    )
    picks = tf.transpose(tf.reshape(chosen.gather(tf.range(taken)), [taken, batch]))
    picks = tf.ensure_shape(picks, [None, None])
    place = tf.maximum(picks, 0)
    found = Candidates(
        tf.gather(pool.rows, place, batch_dims=1),
        tf.where(picks >= 0, tf.gather(pool.scores, place, batch_dims=1), NOTHING),
    )
    return found.best(width)
