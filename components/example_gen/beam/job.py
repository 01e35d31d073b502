"""What every worker of a pass is told, and what workers and driver leave for each other."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from typing import IO, Any

import pyarrow as pa

from components.common import storage
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.source import Dataset

_ID = "id"


@dataclasses.dataclass(frozen=True)
class Job:
    """A data set on its way.

    What is kept in `work` is Parquet or JSON, which hold values and nothing that runs: who may write to a
    shared store cannot have a worker run code.

    Attributes:
      dataset, params: what is read, and how.
      work: folder that all workers see, a path or URL.
      items_known: whether the driver has left the items that there are.
    """

    dataset: Dataset
    params: ExampleGenParams
    work: str
    items_known: bool = False

    def path(self, *names: str) -> str:
        return storage.join(self.work, *names)

    def new_file(self, *names: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """A file to write, of a name that no other worker has."""
        storage.make_folder(self.path(*names[:-1]))
        return storage.open_binary(self.path(*names), "wb")

    def save(self, table: pa.Table, *names: str) -> None:
        """Keeps a table as a file that is there whole; one that is there already is replaced."""
        with self._whole(names) as name:
            storage.write_parquet(name, table)

    def load(self, *names: str) -> pa.Table:
        """What `save` kept."""
        return storage.read_parquet(self.path(*names))

    def save_ids(self, ids: pa.StringArray, *names: str) -> None:
        self.save(pa.table({_ID: ids}), *names)

    def load_ids(self, *names: str) -> pa.StringArray:
        return _load_ids(self.path(*names))

    def shared_ids(self, *names: str) -> pa.StringArray:
        """The same, read once by a worker that needs it for each of its elements."""
        return _shared_ids(self.path(*names))

    def save_json(self, value: Any, *names: str) -> None:
        """Keeps numbers, strings, lists and objects, as `save` keeps tables."""
        with self._whole(names) as name, storage.open_binary(name, "wb") as file:
            # ASCII: text of a log may hold half of a surrogate pair, which UTF-8 has no bytes for.
            file.write(json.dumps(value).encode("ascii"))

    def load_json(self, *names: str) -> Any:
        with storage.open_binary(self.path(*names), "rb") as file:
            return json.load(file)

    def _whole(self, names: tuple[str, ...]) -> contextlib.AbstractContextManager[str]:
        return storage.whole_file(self.path(*names), self.path("temporary"))


def _load_ids(path: str) -> pa.StringArray:
    return storage.read_parquet(path)[_ID].combine_chunks()


_shared_ids = functools.lru_cache(maxsize=4)(_load_ids)
