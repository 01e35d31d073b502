"""A batch spread over replicas: what one must know of the others for the loss of the whole batch.

Each replica of a `tf.distribute` strategy holds a part of the batch and computes its part of
the loss, such that the parts add up to what one process gets for the whole batch; the optimizer
adds up the gradients. With one replica every function returns what it was given and adds
nothing to the graph.
"""

from __future__ import annotations

import tensorflow as tf


def _context() -> tf.distribute.ReplicaContext | None:
    """None outside of replicas, too: a forward pass that creates the weights."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def share(count: int) -> int:
    """How many of `count` things fall to this replica; over all replicas they add up to `count`."""
    context = _context()
    if context is None:
        return count
    return len(range(_number(context), count, context.num_replicas_in_sync))


def part(values: tf.Tensor) -> tf.Tensor:
    """This replica's rows of a tensor that all have; over all replicas each row once."""
    context = _context()
    return values if context is None else values[_number(context) :: context.num_replicas_in_sync]


def total(value: tf.Tensor) -> tf.Tensor:
    """The sum of `value` over the replicas."""
    context = _context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def mean(values: tf.Tensor) -> tf.Tensor:
    """Scalar: this replica's part of the mean over the values of all replicas."""
    if _context() is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values) / tf.cast(total(tf.size(values)), values.dtype)


def own_first(*values: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The rows of all replicas, beginning with this one's; replicas may have different numbers of them.

    A row's gradient is summed over all replicas and goes back to the one that it came from.

    Args:
      values: of the same first dimension.
    """
    context = _context()
    if context is None:
        return values
    sizes = context.all_gather(tf.shape(values[0])[:1], axis=0)
    before = tf.reduce_sum(sizes[: _number(context)])
    gathered = (context.all_gather(rows, axis=0) for rows in values)
    return tuple(tf.concat([rows[before:], rows[:before]], axis=0) for rows in gathered)


def _number(context: tf.distribute.ReplicaContext) -> int:
    number = tf.get_static_value(context.replica_id_in_sync_group)
    if number is None:
        raise NotImplementedError(
            "a strategy that numbers its replicas only when it runs (TPU) is not supported"
        )
    return int(number)
