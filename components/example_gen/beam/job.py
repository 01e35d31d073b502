"""What every worker of a pass is told."""

from __future__ import annotations

import dataclasses

import pyarrow as pa

from components.common import storage
from components.example_gen.beam import files
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.source import Dataset


@dataclasses.dataclass(frozen=True)
class Job:
    """A data set on its way.

    Attributes:
      dataset, params: what is read, and how.
      work: folder that all workers see, a path or URL.
      catalogue: whether the items are known beforehand.
      items_file: which file of `work` has all items, in `id_order`.
    """

    dataset: Dataset
    params: ExampleGenParams
    work: str
    catalogue: bool
    items_file: str = "items"

    def path(self, *names: str) -> str:
        return storage.join(self.work, *names)

    def items(self) -> pa.StringArray:
        """string[M]: the ids of all items."""
        return files.read_ids(self.path(self.items_file))
