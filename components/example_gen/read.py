"""TFRecord shards of tf.Examples -> Arrow tables."""

from __future__ import annotations

import os

import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from components import feature_file
from components.example_gen import features

_DECODE_BATCH = 4096  # records; what is decoded at once


def read_timelines(uri: str, split: str) -> pa.Table:
    """Reads one split of a timelines artifact as `features.timelines_schema`, in the order it was written."""
    schema = features.timelines_schema(feature_file.read(uri).user)
    return read_examples(split_uri(uri, split), schema)


def read_movies(uri: str) -> pa.Table:
    """Reads a movies artifact as `features.movies_schema` has it, sorted by id as it was written."""
    schema = features.movies_schema(feature_file.read(uri).item)
    return read_examples(split_uri(uri, features.MOVIES_SPLIT), schema)


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
    """Reads the features of `schema` from every record of a split.

    Args:
      folder: of one split, as `split_uri` names it.
      schema: which features, and of which type: (large) lists or single values of
        strings, float32 or int64. Other features are skipped.

    Raises:
      ValueError: a record has more or less than one value of a single-valued feature.
    """
    decoder = example_coder.ExamplesToRecordBatchDecoder(_tfmd(schema).SerializeToString())
    dataset = tf.data.TFRecordDataset(shard_files(folder), "GZIP").batch(_DECODE_BATCH)
    batches = [decoder.DecodeBatch(examples.tolist()) for examples in dataset.as_numpy_iterator()]
    table = pa.Table.from_batches(batches, decoder.ArrowSchema()).combine_chunks()
    columns = [_as(table[field.name], field) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


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
