"""What every worker of a pass is told, and what workers and driver leave for each other."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pickle
from typing import IO, Any

from components.common import storage
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.source import Dataset


@dataclasses.dataclass(frozen=True)
class Job:
    """A data set on its way.

    Attributes:
      dataset, params: what is read, and how.
      work: folder that all workers see, a path or URL.
    """

    dataset: Dataset
    params: ExampleGenParams
    work: str

    def path(self, *names: str) -> str:
        return storage.join(self.work, *names)

    def new_file(self, *names: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """A file to write, of a name that no other worker has."""
        storage.make_folder(self.path(*names[:-1]))
        return storage.open_binary(self.path(*names), "wb")

    def save(self, value: Any, *names: str) -> None:
        """Keeps a value as a file that is there whole; one that is there already is replaced."""
        with (
            storage.whole_file(self.path(*names), self.path("temporary")) as name,
            storage.open_binary(name, "wb") as file,
        ):
            file.write(pickle.dumps(value))

    def load(self, *names: str) -> Any:
        """What `save` kept."""
        return _load(self.path(*names))

    def shared(self, *names: str) -> Any:
        """The same, read once by a worker that needs it for each of its elements; not to be changed."""
        return _shared(self.path(*names))


def _load(path: str) -> Any:
    with storage.open_binary(path, "rb") as file:
        return pickle.loads(file.read())


_shared = functools.lru_cache(maxsize=4)(_load)
