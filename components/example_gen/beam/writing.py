"""A partition's log -> a TFRecord shard of each split.

Apart from the stages before: their workers need not import TensorFlow.
"""

from __future__ import annotations

from typing import Final

from components.common import storage
from components.example_gen.beam.job import Job
from components.example_gen.beam.partitions import is_in, load_partition
from components.example_gen.records import splits, timelines
from components.example_gen.records.write import write_file

SEEN: Final = "seen"  # string[items] with a train rating
PROFILES: Final = "profiles"  # schemas.user_schema by partition


def write(shards: tuple[str, dict[str, str]], job: Job, stage: str, temporary: str) -> None:
    """Cuts a partition and writes its shards; a worker that does it again writes the same files.

    Args:
      shards: the partition, and the file of each split that it has records of.
      stage: that left the log.
      temporary: as for `storage.whole_file`, beside the shards.
    """
    key, files = shards
    log = load_partition(job, stage, key).log
    events = log.events(0, len(log.user_ids))
    parts, seen = splits.parts(events, job.params), is_in(log.item_ids, job.shared_ids(SEEN))
    known = job.load(PROFILES, key) if job.params.user_features else None
    for split, path in files.items():
        with storage.whole_file(path, temporary) as file:
            write_file(file, timelines.records(events, parts, split, seen, known, job.dataset.implicit))
