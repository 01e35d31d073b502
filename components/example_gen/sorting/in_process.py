"""ExampleGen's work in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

import contract
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.source import Dataset
from components.example_gen.records import splits, timelines
from components.example_gen.records.artifact import write_split
from components.example_gen.records.read import split_uri
from components.example_gen.sorting.gather import Gathered, gather
from components.example_gen.sorting.log_store import Log
from components.example_gen.sorting.totals import Totals, totals


class InProcess:
    """What `beam.engine.Workers` does, here.

    Args:
      scratch: as for `gather.gather`.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def gather(self, dataset: Dataset, params: ExampleGenParams, bad: Quarantine) -> Gathered[Log]:
        """`gather.gather`."""
        return gather(dataset, params, bad, self._scratch)

    def totals(self, data: Gathered[Log], params: ExampleGenParams) -> Totals:
        """`totals.totals`."""
        return totals(data.log, params, data.dataset.timed)

    def write(self, uri: str, data: Gathered[Log], known: Totals, params: ExampleGenParams) -> None:
        """Writes the shards of `timelines`, one after the other.

        Args:
          uri: of the artifact.
        """
        for split in contract.SPLITS:
            users = known.users(split)

            def make(part: slice, split: str = split, users: np.ndarray = users) -> pa.Table:
                # Users between these two who have no record here are left out by `records`.
                first, last = int(users[part][0]), int(users[part][-1]) + 1
                events, of_users = data.log.events(first, last), data.users.slice(first, last - first)
                parts, implicit = splits.parts(events, params), data.dataset.implicit
                return timelines.records(events, parts, split, known.seen, of_users, implicit)

            write_split(split_uri(uri, split), known.sizes(split), make, params.events_per_shard)
