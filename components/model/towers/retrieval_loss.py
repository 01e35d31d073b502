"""In-batch softmax with logQ correction, shared uniform negatives beside it."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_recommenders as tfrs

from components.model.towers import replicas


class RetrievalLoss(tf.Module):
    """Mean softmax cross-entropy of each query's positive against shared candidates.

    Candidates are the batch's own positives, drawn in proportion to how often a
    item is watched, and `uniform` items drawn evenly from the catalogue
    (Yang et al., "Mixed Negative Sampling", WWW 2020). Logits are corrected by
    subtracting log Q, the candidate's expected share among the candidates (Yi
    et al., "Sampling-Bias-Corrected Neural Modeling", RecSys 2019), so that
    popular items are not punished for being sampled often. A candidate equal
    to the query's positive is masked (an accidental hit).
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(name="retrieval_loss")
        # TFRS relies on AutoGraph (it takes `len` of a tensor), which the training
        # step switches off because converting all of Keras takes 14 seconds.
        self._task = tf.function(tfrs.tasks.Retrieval(temperature=temperature, remove_accidental_hits=True))

    def __call__(
        self,
        queries: tf.Tensor,
        candidates: tf.Tensor,
        candidate_rows: tf.Tensor,
        candidate_share: tf.Tensor,
        weights: tf.Tensor,
    ) -> tf.Tensor:
        """Scalar loss; on a replica, its part of the loss.

        Args:
          queries: float32[B, D].
          candidates: float32[B + S, D]; row i < B is query i's positive. S counts other replicas' positives.
          candidate_rows: int32[B + S], catalogue rows, to find accidental hits.
          candidate_share: float32[B + S], Q: see `sampling_share`.
          weights: float32[B], weight of each query's loss.
        """
        total = self._task(
            queries,
            candidates,
            sample_weight=weights,
            candidate_sampling_probability=candidate_share,
            candidate_ids=candidate_rows,
            compute_metrics=False,
        )
        return tf.math.divide_no_nan(total, replicas.total(tf.reduce_sum(weights)))


def shared_negatives_loss(
    queries: tf.Tensor,
    positives: tf.Tensor,
    negatives: tf.Tensor,
    hits: tf.Tensor,
    weights: tf.Tensor,
    temperature: float,
    catalogue: int,
) -> tf.Tensor:
    """Scalar: softmax cross-entropy of each positive against S negatives that all queries share.

    On a replica, its part of that.

    The negatives were drawn evenly from the catalogue, so each stands for N / S
    items: their logits are raised by log(N / S), which makes the sum an unbiased
    estimate of the full softmax's (Bengio and Senecal, "Adaptive Importance Sampling
    to Accelerate Training of a Neural Probabilistic Language Model", 2008).

    Args:
      queries, positives: float32[P, D].
      negatives: float32[S, D].
      hits: bool[P, S], true where the negative is the query's positive.
      weights: float32[P].
      temperature: divides dot products.
      catalogue: N.
    """
    positive = tf.reduce_sum(queries * positives, axis=1) / temperature
    share = tf.math.log(catalogue / tf.cast(tf.shape(negatives)[0], tf.float32))
    negative = tf.linalg.matmul(queries / temperature, negatives, transpose_b=True)
    among = share + tf.reduce_logsumexp(tf.where(hits, -1e9, negative), axis=1)
    # log(exp(positive) + exp(among)) - positive
    losses = tf.nn.softplus(among - positive)
    total = replicas.total(tf.reduce_sum(weights))
    return tf.math.divide_no_nan(tf.reduce_sum(weights * losses), total)


def sampling_share(
    frequency: tf.Tensor, batch: tf.Tensor, uniform: tf.Tensor, catalogue: tf.Tensor
) -> tf.Tensor:
    """float32[n], Q: an item's expected share among the B + S candidates.

    Args:
      frequency: float32[n], share of the positives that are this item.
      batch: B; uniform: S; catalogue: number of items drawn from evenly.
    """
    b, s, n = (tf.cast(x, tf.float32) for x in (batch, uniform, catalogue))
    return (b * frequency + s / n) / (b + s)
