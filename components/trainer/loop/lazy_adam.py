"""Adam for embeddings of many rows."""

from __future__ import annotations

import tensorflow as tf
import tf_keras as keras


class LazyAdam(keras.optimizers.Adam):
    """Adam that changes a row of an embedding, and its moments, only in steps whose batch has the row.

    Adam (Kingma and Ba 2015) lets the moments of all rows decay in every step and moves all rows by
    them, so a step takes as long as the table is large. Here a row's moments wait until it comes
    again, and a step takes as long as its batch is large; what is not an embedding is updated as
    ever. Not the same optimizer: rare rows forget more slowly, and do not drift between their batches.
    """

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """Called by Keras with indices that are distinct."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        slot = self._index_dict[self._var_key(variable)]
        first, second = self._momentums[slot], self._velocities[slot]
        rows = gradient.indices
        step = tf.cast(self.iterations + 1, variable.dtype)
        correction = tf.sqrt(1.0 - self.beta_2**step) / (1.0 - self.beta_1**step)
        rate = tf.cast(self.learning_rate, variable.dtype) * correction
        mean = tf.gather(first, rows)
        mean += (gradient.values - mean) * (1.0 - self.beta_1)
        square = tf.gather(second, rows)
        square += (tf.square(gradient.values) - square) * (1.0 - self.beta_2)
        first.scatter_update(tf.IndexedSlices(mean, rows))
        second.scatter_update(tf.IndexedSlices(square, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * mean / (tf.sqrt(square) + self.epsilon), rows))
