"""The items with what train alone says about them. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import ragged
from components.common.features import FeatureSpec
from components.example_gen.reading.catalogue import TIMESTAMP
from components.example_gen.reading.source import TAG
from components.example_gen.records import schemas
from components.example_gen.sorting.codes import positions
from components.example_gen.sorting.totals import Totals


def records(
    items: pa.Table,
    tags: pa.Table,
    user_ids: pa.StringArray,
    totals: Totals,
    specs: Sequence[FeatureSpec] = (),
) -> pa.Table:
    """One row of `schemas.ITEMS`, and the own features, per item, in order.

    Args:
      items: ITEMS_SCHEMA and columns of own features, in the order of the log's item_ids.
      tags: TAGS_SCHEMA.
      user_ids, totals: of the log.
      specs: which of the items' columns are features.
    """
    columns = {
        **{name: items[name].combine_chunks() for name in items.column_names},
        contract.TAGS: known_tags(
            tags, items[contract.ITEM_ID].combine_chunks(), user_ids, totals.last_train
        ),
        contract.RATING_COUNT: pa.array(totals.train_count),
        contract.RATING_MEAN: pa.array(totals.train_mean),
    }
    schema = schemas.items_schema(specs)
    return pa.Table.from_arrays([columns[field.name].cast(field.type) for field in schema], schema=schema)


def known_tags(
    tags: pa.Table, item_ids: pa.StringArray, user_ids: pa.StringArray, last_train: np.ndarray
) -> pa.LargeListArray:
    """Each item's tags as known in train: lower case, each once, sorted; [] if none.

    A tag counts only if its author's last train rating is not earlier than the
    tag: a tag written later may speak of what the author is about to rate, which
    is what the model has to predict. An author without train ratings has no tags
    that count.

    Args:
      last_train: int64[U], when that is, -1 for such an author.
    """
    authors = positions(tags[contract.USER_ID], user_ids)
    items = positions(tags[contract.ITEM_ID], item_ids).astype(np.int64)
    until = np.append(last_train, -1)[authors]  # the last one for -1: nobody's
    names = pc.utf8_lower(pc.utf8_trim_whitespace(tags[TAG].combine_chunks()))
    written = pc.utf8_length(names).to_numpy(zero_copy_only=False) > 0
    counts = (items >= 0) & (tags[TIMESTAMP].to_numpy() <= until) & written

    items = items[counts]
    names = names.filter(pa.array(counts))
    vocabulary = names.unique()
    vocabulary = vocabulary.take(pc.sort_indices(vocabulary))
    width = max(1, len(vocabulary))
    pairs = np.unique(items * width + pc.index_in(names, vocabulary).to_numpy(zero_copy_only=False))
    return ragged.from_rows(pairs // width, vocabulary.take(pa.array(pairs % width)), len(item_ids))
