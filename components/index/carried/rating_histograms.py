"""How each item was rated in the training data, for its page in an application."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

import contract

# Ratings between steps of the stars (means, other scales mapped to stars) count to the nearest.
_STEPS_A_STAR = 2.0


def rating_histograms(train: pa.Table) -> pa.Table:
    """Ratings counted by item and value.

    Args:
      train: timelines of contract.TRAIN, of every user: their histories are the training data.

    Returns:
      contract.ITEM_ID, HISTOGRAM_VALUE (stars) and HISTOGRAM_COUNT, ordered by the first two.
    """
    ratings = pc.list_flatten(train.column(contract.HISTORY_RATINGS)).combine_chunks()
    stars = pc.divide(pc.round(pc.multiply(ratings.cast(pa.float32()), _STEPS_A_STAR)), _STEPS_A_STAR)
    ids = pc.list_flatten(train.column(contract.HISTORY_ITEM_IDS)).combine_chunks()
    events = pa.table({contract.ITEM_ID: ids, contract.HISTOGRAM_VALUE: stars})
    keys = [contract.ITEM_ID, contract.HISTOGRAM_VALUE]
    counted = events.group_by(keys).aggregate([([], "count_all")])
    counted = counted.rename_columns(
        [contract.HISTOGRAM_COUNT if name == "count_all" else name for name in counted.column_names]
    )
    return counted.select([*keys, contract.HISTOGRAM_COUNT]).sort_by([(key, "ascending") for key in keys])
