"""Last pass: parts of the sorted log -> TFRecord shards."""

from __future__ import annotations

from typing import Final

import apache_beam as beam
import pyarrow as pa

from components.common import storage
from components.example_gen.beam import files, parts
from components.example_gen.beam.job import Job
from components.example_gen.records.write import shard_path, write_file

SEEN: Final = "seen"

# (folder, number, how many there are, split, (part's folder, first, last) of the users in it)
Shard = tuple[str, int, int, str, list[tuple[str, int, int]]]


def build(pipeline: beam.Pipeline, job: Job, shards: list[Shard], temporary: str) -> None:
    """Adds the pass to a pipeline.

    Args:
      temporary: as for `storage.whole_file`, beside the shards.
    """
    _ = pipeline | "Shards" >> beam.Create(shards) | "Write" >> beam.Map(write, job, temporary)


def write(shard: Shard, job: Job, temporary: str) -> None:
    """Cuts and encodes the records of a shard; whoever does it again writes the same file."""
    folder, number, count, split, pieces = shard
    seen = files.read_array(job.path(SEEN))
    table = pa.concat_tables(parts.records(pieces, split, seen, job))
    with storage.whole_file(shard_path(folder, number, count), temporary) as name:
        write_file(name, table)
