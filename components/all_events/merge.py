"""Timelines and items with nothing held out. Pure functions over Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common import ragged
from components.example_gen.records import schemas

# A record's targets end where its split ends: test knows most, and not everybody has one.
_LATEST_FIRST = (contract.TEST, contract.EVAL, contract.TRAIN)


def timelines(splits: Mapping[str, pa.Table]) -> pa.Table:
    """One record per user whose history is all of the user's events, oldest first.

    As records of train are: no targets, no slices. They are those of the latest
    split in which the user has a record, history and targets joined.

    Args:
      splits: `schemas.timelines_schema` by name of the split.
    """
    parts = []
    taken = pa.array([], schemas.TIMELINES.field(contract.USER_ID).type)
    for split in _LATEST_FIRST:
        table = splits[split]
        part = table.filter(pc.invert(pc.is_in(table[contract.USER_ID], value_set=taken)))
        taken = pa.concat_arrays([taken, *part[contract.USER_ID].chunks])
        parts.append(part)
    latest = pa.concat_tables(parts).combine_chunks()
    pairs = [
        *zip(contract.HISTORY_FEATURES, contract.TARGET_FEATURES, strict=True),
        (contract.HISTORY_WEIGHTS, contract.TARGET_WEIGHTS),
    ]
    joined = {
        history: _joined(latest[history].combine_chunks(), latest[targets].combine_chunks())
        for history, targets in pairs
        if history in latest.column_names
    }
    # The random split draws its targets: they lie anywhere in time.
    times = joined[contract.HISTORY_TIMESTAMPS]
    rows = np.repeat(np.arange(len(times)), times.value_lengths().to_numpy())
    order = pa.array(np.lexsort((times.flatten().to_numpy(), rows)))
    joined = {
        name: pa.LargeListArray.from_arrays(times.offsets, lists.flatten().take(order))
        for name, lists in joined.items()
    }
    # What is known of users stays, and so does their name.
    events = {*contract.TIMELINE_FEATURES, *contract.WEIGHTS_OF.values()}
    stays = set(latest.column_names) - events | {contract.USER_ID}
    columns = {**{name: latest[name] for name in stays}, **joined}
    nothing = {
        field.name: pa.array([[] if pa.types.is_large_list(field.type) else ""] * len(latest), field.type)
        for field in latest.schema
        if field.name not in columns
    }
    columns |= nothing
    return pa.Table.from_arrays([columns[field.name] for field in latest.schema], schema=latest.schema)


def items(table: pa.Table, everything: pa.Table) -> pa.Table:
    """The items with the count and mean of all their ratings (or weights); the rest stays.

    Args:
      table: as `schemas.items_schema` has it.
      everything: what `timelines` returned.

    Raises:
      ValueError: an event's item is not in `table`.
    """
    rated = everything[contract.HISTORY_ITEM_IDS].combine_chunks().flatten()
    implicit = contract.HISTORY_WEIGHTS in everything.column_names
    values = everything[contract.HISTORY_WEIGHTS if implicit else contract.HISTORY_RATINGS]
    rows = pc.index_in(rated, value_set=table[contract.ITEM_ID].combine_chunks())
    if rows.null_count:
        raise ValueError(
            f"the timelines hold item {rated.filter(rows.is_null())[0].as_py()!r}, which is not among the "
            "items; both must come from the same ExampleGen run"
        )
    count = np.bincount(rows.to_numpy(), minlength=len(table))
    mean = np.bincount(
        rows.to_numpy(), values.combine_chunks().flatten().to_numpy(), len(table)
    ) / np.maximum(count, 1)
    known = {contract.RATING_COUNT: pa.array(count), contract.RATING_MEAN: pa.array(mean)}
    columns = [known.get(field.name, table[field.name]).cast(field.type) for field in table.schema]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _joined(first: pa.LargeListArray, second: pa.LargeListArray) -> pa.LargeListArray:
    """Lists of the same records, one after the other: [[a], [b]] and [[x], []] -> [[a, x], [b]]."""
    lengths = np.stack([each.value_lengths().to_numpy() for each in (first, second)], axis=1)
    values = pa.concat_arrays([first.flatten(), second.flatten()])
    # Where each list starts in `values`: all of the first come before the second's.
    starts = ragged.offsets_of(lengths.T.ravel())[:-1].reshape(2, -1).T
    return ragged.from_lengths(
        lengths.sum(axis=1), values.take(pa.array(ragged.spans(starts.ravel(), lengths.ravel())))
    )
