"""TensorFlow Data Validation's statistics and drift comparators over columns of tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import contract
from components.common.features import FeatureSpec

# Distances between two distributions: the largest difference of one value's share, and of numbers.
L_INFINITY = "L-infinity"
JENSEN_SHANNON = "Jensen-Shannon"


@dataclasses.dataclass(frozen=True)
class Column:
    """
    Attributes:
      values: large_list of float32 or binary; null where there is no value.
      distance: L_INFINITY, JENSEN_SHANNON, or "" where only presence is compared.
    """

    values: pa.Array
    distance: str


@dataclasses.dataclass(frozen=True)
class Compared:
    """One column, before and now.

    Attributes:
      distance: between the distributions of the values; None where it was not asked for, or there are none.
      missing: shares of rows without a value.
      medians: of numbers; NaN where there are none.
    """

    distance: float | None
    missing: tuple[float, float]
    medians: tuple[float, float]


def item_columns(catalogue: pa.Table, specs: Sequence[FeatureSpec]) -> dict[str, Column]:
    """The features of a catalogue."""
    found = {}
    for spec in specs:
        cells = catalogue.column(spec.name).combine_chunks()
        if spec.kind == "number":
            if not pa.types.is_large_list(cells.type):  # a year, 0 if unknown
                cells = _lists(np.asarray(cells, np.float32), np.asarray(cells) != 0)
            found[spec.name] = Column(_null_if_empty(cells.cast(pa.large_list(pa.float32()))), JENSEN_SHANNON)
        elif spec.kind == "text":
            there = np.asarray(pc.greater(pc.utf8_length(pc.fill_null(cells, "")), 0))
            found[spec.name] = Column(_lists(np.ones(len(there), np.float32), there), "")
        else:
            # Words of free tags are too many for one of them to move by much; their presence counts.
            distance = "" if spec.weighted else L_INFINITY
            found[spec.name] = Column(_null_if_empty(cells.cast(pa.large_list(pa.large_binary()))), distance)
    return found


def numbers(values: np.ndarray) -> Column:
    return Column(_lists(values.astype(np.float32), np.ones(len(values), bool)), JENSEN_SHANNON)


def tastes(catalogue: pa.Table, feature: str, items: np.ndarray) -> Column:
    """The values of a column of the items of events, object[E] of bytes."""
    ids = catalogue.column(contract.ITEM_ID).cast(pa.large_binary()).combine_chunks()
    rows = pc.index_in(pa.array(items, pa.large_binary()), value_set=ids)
    cells = catalogue.column(feature).combine_chunks().take(rows)
    return Column(_null_if_empty(cells.cast(pa.large_list(pa.large_binary()))), L_INFINITY)


def compare(before: Mapping[str, Column], now: Mapping[str, Column]) -> dict[str, Compared]:
    """Columns that both have; those of one side have one length."""
    # Imported when something is compared: both bring TensorFlow and Beam.
    import tensorflow_data_validation as tfdv
    from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
    from tensorflow_metadata.proto.v0 import schema_pb2

    names = [name for name in before if name in now]
    if not names:
        return {}
    schema = schema_pb2.Schema()
    for name in names:
        number = pa.types.is_floating(before[name].values.type.value_type)
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT if number else schema_pb2.BYTES)
        # A column without a value has no distribution; the comparator would call its distance 1.
        if not (_some(before[name]) and _some(now[name])):
            continue
        # The bounds are ours: a finding has its value whether or not it is past one.
        if before[name].distance == L_INFINITY:
            feature.drift_comparator.infinity_norm.threshold = 1.0
        elif before[name].distance:
            feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0
    old, new = (
        generate_statistics_in_memory(
            pa.RecordBatch.from_arrays([side[name].values for name in names], names), tfdv.StatsOptions()
        )
        for side in (before, now)
    )
    found = tfdv.validate_statistics(new, schema, previous_statistics=old)
    distances = {
        info.path.step[0]: float(info.drift_measurements[0].value)
        for info in found.drift_skew_info
        if info.drift_measurements
    }
    return {
        name: Compared(
            distances.get(name),
            (_missing(before[name]), _missing(now[name])),
            (_median(before[name]), _median(now[name])),
        )
        for name in names
    }


def _lists(values: np.ndarray, there: np.ndarray) -> pa.Array:
    """One value where `there`, else null."""
    offsets = np.concatenate([[0], np.cumsum(there)]).astype(np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values[there]))
    return pc.if_else(pa.array(there), lists, pa.scalar(None, lists.type))


def _null_if_empty(lists: pa.Array) -> pa.Array:
    empty = pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)
    return pc.if_else(empty, pa.scalar(None, lists.type), lists)


def _some(column: Column) -> bool:
    return column.values.null_count < len(column.values)


def _missing(column: Column) -> float:
    return column.values.null_count / max(1, len(column.values))


def _median(column: Column) -> float:
    if not pa.types.is_floating(column.values.type.value_type) or not _some(column):
        return float("nan")
    return float(np.median(np.asarray(pc.list_flatten(column.values.drop_null()))))
