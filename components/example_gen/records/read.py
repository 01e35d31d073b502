"""TFRecord shards of tf.Examples -> Arrow tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

import contract
from components.common import feature_file, ragged
from components.example_gen.records import schemas

_DECODE_BATCH = 4096  # records; what is decoded at once


def read_timelines(uri: str, split: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads one split of a timelines artifact, in the order it was written.

    As models have it: every event has a rating, which is `contract.rating_of_weight` where the
    log has weights.

    Args:
      columns: those wanted, None: all.
    """
    return _whole(timeline_batches(uri, split, columns), _schema(uri, columns))


def timeline_batches(uri: str, split: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The same, some records at a time."""
    implicit = feature_file.read(uri).implicit
    wanted = [field.with_name(contract.of_feedback(field.name, implicit)) for field in _schema(uri, columns)]
    for batch in example_batches(split_uri(uri, split), pa.schema(wanted)):
        yield _with_ratings(batch) if implicit else batch


def stored_timelines(uri: str, split: str) -> pa.Table:
    """One split as it is in the artifact, with the ratings or weights of `schemas.timelines_schema`."""
    features = feature_file.read(uri)
    return read_examples(split_uri(uri, split), schemas.timelines_schema(features.user, features.implicit))


def _schema(uri: str, columns: Sequence[str] | None) -> pa.Schema:
    schema = schemas.timelines_schema(feature_file.read(uri).user)
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def _with_ratings(table: pa.Table) -> pa.Table:
    for rating, weight in contract.WEIGHTS_OF.items():
        if (place := table.schema.get_field_index(weight)) >= 0:
            lists = table[weight].combine_chunks()
            values = contract.rating_of_weight(lists.flatten().to_numpy()).astype(np.float32)
            ratings = ragged.from_lengths(lists.value_lengths().to_numpy(), pa.array(values))
            table = table.set_column(place, rating, ratings)
    return table


def read_items(uri: str) -> pa.Table:
    """Reads an items artifact as `schemas.items_schema` has it, sorted by id as it was written."""
    schema = schemas.items_schema(feature_file.read(uri).item)
    return read_examples(split_uri(uri, schemas.ITEMS_SPLIT), schema)


def split_uri(uri: str, split: str) -> str:
    """The folder of one split of an Examples artifact, as TFX names it."""
    return os.path.join(uri, f"Split-{split}")  # noqa: PTH118 (may be a URL)


def shard_files(folder: str) -> list[str]:
    """The shards of a split, in order.

    Raises:
      FileNotFoundError: there is none.
    """
    files = sorted(tf.io.gfile.glob(os.path.join(folder, "*.gz")))  # noqa: PTH118 (may be a URL)
    if not files:
        raise FileNotFoundError(f"no *.gz file in {folder}; expected the split of an Examples artifact")
    return files


def read_examples(folder: str, schema: pa.Schema) -> pa.Table:
    """Reads the features of `schema` from every record of a split; arguments as `example_batches`."""
    return _whole(example_batches(folder, schema), schema)


def _whole(batches: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *batches]).combine_chunks()


def example_batches(folder: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """Reads the features of `schema`, some records at a time.

    Args:
      folder: of one split, as `split_uri` names it.
      schema: which features, and of which type: (large) lists or single values of
        strings, float32 or int64. Other features are skipped.

    Raises:
      ValueError: a record has more or less than one value of a single-valued feature.
    """
    decoder = example_coder.ExamplesToRecordBatchDecoder(_tfmd(schema).SerializeToString())
    dataset = tf.data.TFRecordDataset(shard_files(folder), "GZIP").batch(_DECODE_BATCH)
    for examples in dataset.as_numpy_iterator():
        batch = pa.Table.from_batches([decoder.DecodeBatch(examples.tolist())], decoder.ArrowSchema())
        yield pa.Table.from_arrays([_as(batch[field.name], field) for field in schema], schema=schema)


def _as(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if pa.types.is_large_list(field.type):
        return column.cast(field.type)
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    if len(values) != len(column):
        raise ValueError(
            f"{field.name} must have one value in each of {len(column)} records, found {len(values)}"
        )
    return values.cast(field.type)


def _tfmd(schema: pa.Schema) -> schema_pb2.Schema:
    """The types of an Arrow schema in the terms of TensorFlow Metadata."""
    result = schema_pb2.Schema()
    for field in schema:
        value = field.type.value_type if pa.types.is_large_list(field.type) else field.type
        if pa.types.is_integer(value):
            type_ = schema_pb2.INT
        elif pa.types.is_floating(value):
            type_ = schema_pb2.FLOAT
        else:
            type_ = schema_pb2.BYTES
        result.feature.add(name=field.name, type=type_)
    return result
