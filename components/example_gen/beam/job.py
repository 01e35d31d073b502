"""What every worker of a pass is told, and what workers and driver leave for each other."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import hmac
import pickle
import secrets
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
      key: of this job alone; it reaches the workers with the job and is never in `work`. Who may write
        there could have a worker run any code by a file of pickle: each carries a code that the key makes.
    """

    dataset: Dataset
    params: ExampleGenParams
    work: str
    key: bytes = dataclasses.field(default_factory=lambda: secrets.token_bytes(32), repr=False)

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
            raw = pickle.dumps(value)
            file.write(_code(self.key, self.path(*names), raw) + raw)

    def load(self, *names: str) -> Any:
        """What `save` kept.

        Raises:
          ValueError: the file is not one that this job wrote.
        """
        return _load(self.path(*names), self.key)

    def shared(self, *names: str) -> Any:
        """The same, read once by a worker that needs it for each of its elements; not to be changed."""
        return _shared(self.path(*names), self.key)


def _load(path: str, key: bytes) -> Any:
    with storage.open_binary(path, "rb") as file:
        code, raw = file.read(hashlib.sha256().digest_size), file.read()
    if not hmac.compare_digest(code, _code(key, path, raw)):
        raise ValueError(
            f"{path} is not what this run wrote: somebody else writes to its work folder. Give the run a "
            "folder that only its workers may write"
        )
    return pickle.loads(raw)


def _code(key: bytes, path: str, raw: bytes) -> bytes:
    # With the path: no file of the job can stand for another.
    return hmac.digest(key, path.encode() + b"\0" + raw, "sha256")


_shared = functools.lru_cache(maxsize=4)(_load)
