"""A rule of the contract as an operation of the graph."""

from __future__ import annotations

import tensorflow as tf

from contract.refusals import Refusal


def unless(good: tf.Tensor, refusal: Refusal, *got: tf.Tensor | str, **words: object) -> tf.Operation:
    """Fails with the refusal's words where `good`, bool[], does not hold.

    Args:
      good: whether it is well.
      refusal: the rule.
      got: what came, in the order in which it is told; of a long tensor the first three values.
      words: for the names in the refusal's braces.
    """
    before, behind = refusal.parts(**words)
    return tf.debugging.Assert(good, [before, *got, behind])


def any_of(wrong: tf.Tensor, refusal: Refusal, **words: object) -> tf.Operation:
    """Fails with the refusal's words where `wrong`, [n], holds anything: that is what came."""
    return unless(tf.equal(tf.size(wrong), 0), refusal, wrong, **words)
