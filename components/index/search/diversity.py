"""Maximal marginal relevance: results that are good and unlike one another."""

from __future__ import annotations

import tensorflow as tf

from components.index.search.candidates import NOTHING, Candidates


def diversify(pool: Candidates, vectors: tf.Tensor, diversity: tf.Tensor, width: tf.Tensor) -> Candidates:
    """Chooses `width` of each row's pool one by one.

    Each step takes the item with the highest

        (1 - diversity) * score - diversity * (highest cosine to an item already taken)

    (Carbonell & Goldstein 1998, "The Use of MMR, Diversity-Based Reranking";
    their lambda is 1 - diversity; the first item has nothing to resemble).
    Equal values keep the pool's order, so diversity 0 changes nothing.

    Args:
      pool: Candidates [B, P], best first.
      vectors: float32[B, P, D], the unit vectors of the pool.
      diversity: float32[B] in [0, 1].
      width: int32[], items to choose.

    Returns:
      Candidates [B, width] in the order chosen, each with its own score.
    """
    batch = tf.shape(pool.rows)[0]
    weight = diversity[:, tf.newaxis]

    def step(
        taken: tf.Tensor, chosen: tf.TensorArray, free: tf.Tensor, likeness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.TensorArray, tf.Tensor, tf.Tensor]:
        redundancy = tf.where(taken == 0, 0.0, likeness)
        value = tf.where(free, (1.0 - weight) * pool.scores - weight * redundancy, NOTHING)
        pick = tf.argmax(value, axis=1, output_type=tf.int32)
        vector = tf.gather(vectors, pick, batch_dims=1)
        likeness = tf.maximum(likeness, tf.einsum("bpd,bd->bp", vectors, vector))
        any_left = tf.reduce_any(free, axis=1)
        free &= ~tf.one_hot(pick, tf.shape(free)[1], True, False)
        return taken + 1, chosen.write(taken, tf.where(any_left, pick, -1)), free, likeness

    _, chosen, _, _ = tf.while_loop(
        lambda taken, *_: taken < width,
        step,
        (
            tf.constant(0),
            tf.TensorArray(tf.int32, size=width, element_shape=[None]),
            pool.present,
            tf.fill(tf.shape(pool.scores), NOTHING),
        ),
        # The shapes of the loop's state are only as static as the pool's.
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape(None),
            tf.TensorShape([None, None]),
            tf.TensorShape([None, None]),
        ),
    )
    picks = tf.transpose(tf.ensure_shape(tf.reshape(chosen.stack(), [width, batch]), [None, None]))
    place = tf.maximum(picks, 0)
    return Candidates(
        tf.gather(pool.rows, place, batch_dims=1),
        tf.where(picks >= 0, tf.gather(pool.scores, place, batch_dims=1), NOTHING),
    )
