"""Examples artifacts as TFX's components expect them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.example_gen.records.write import shards, write_shard


def describe(artifact: types.Artifact, splits: Sequence[str]) -> None:
    """What TFX's components read from an Examples artifact before its files."""
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    examples_utils.set_payload_format(artifact, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(artifact, "tfrecords_gzip")


def write_split(folder: str, sizes: np.ndarray, make: Callable[[slice], pa.Table], shard_size: int) -> None:
    """Makes and writes one shard after the other, so that one is in memory.

    Args:
      folder: of the split, as `read.split_uri` names it.
      sizes, shard_size: as in `write.shards`.
      make: the records of a slice.
    """
    fileio.makedirs(folder)
    parts = shards(sizes, shard_size)
    for index, part in enumerate(parts):
        write_shard(folder, index, len(parts), make(part))
