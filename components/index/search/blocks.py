"""The best items of a catalogue that is walked through a block at a time."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from components.index.conditions.asked import Asked
from components.index.conditions.conditions import Conditions
from components.index.search.candidates import NOTHING, Candidates, Seen

# Fewer items per block than this would spend more time in the loop than in the scores.
MIN_BLOCK = 1024


def best_in_blocks(
    items: int,
    block: tf.Tensor,
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    conditions: Conditions,
    wanted: Asked | None,
    seen: Seen,
    width: tf.Tensor,
    complete: Callable[[Candidates], tf.Tensor] | None = None,
) -> Candidates:
    """The best items of each row, without those seen or filtered out.

    Args:
      items: N, of the catalogue.
      block: int32[], items scored at once.
      score: (start, stop) -> float32[B, stop - start] of a block.
      conditions: the items' columns.
      wanted: the conditions of the B rows; None where there can be none.
      seen: the items that must not come back.
      width: int32[], results per row.
      complete: bool[], whether what was found so far is all that is needed; None looks at every block.

    Returns:
      Candidates [B, width], best first, the lower row first among equals.
    """
    batch = tf.shape(seen.rows)[0]
    filtered = False if wanted is None else wanted.any()

    def unfinished(start: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        more = start < items
        return more if complete is None else more & ~complete(Candidates(rows, scores))

    def step(start: tf.Tensor, rows: tf.Tensor, scores: tf.Tensor) -> tuple[tf.Tensor, ...]:
        stop = tf.minimum(start + block, items)
        found = score(start, stop)
        if wanted is not None:
            found = tf.cond(
                filtered,
                lambda: tf.where(conditions.allow_block(wanted, start, stop), found, NOTHING),
                lambda: found,
            )
        found = _without(seen, found, start, stop)
        here = tf.broadcast_to(tf.range(start, stop)[tf.newaxis], tf.shape(found))
        top = Candidates(here, found).best(tf.minimum(width, stop - start))
        # Earlier blocks stand first, so a tie still goes to the lower row.
        both = Candidates(tf.concat([rows, top.rows], 1), tf.concat([scores, top.scores], 1))
        return stop, *both.best(tf.minimum(width, tf.shape(both.scores)[1]))

    anything = tf.TensorShape([None, None])
    _, rows, scores = tf.while_loop(
        unfinished,
        step,
        (tf.constant(0), tf.zeros([batch, 0], tf.int32), tf.zeros([batch, 0], tf.float32)),
        shape_invariants=(tf.TensorShape([]), anything, anything),
        # One block after the other: two at once would double the memory.
        parallel_iterations=1,
    )
    return Candidates(rows, scores).best(width)


def _without(seen: Seen, scores: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """Empties the places of `scores`, float32[B, stop - start], whose items were seen."""
    places = tf.where((seen.rows >= start) & (seen.rows < stop))
    columns = tf.gather_nd(seen.rows, places) - start
    indices = tf.stack([tf.cast(places[:, 0], tf.int32), columns], axis=1)
    return tf.tensor_scatter_nd_update(scores, indices, tf.fill([tf.shape(indices)[0]], NOTHING))
