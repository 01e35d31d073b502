"""The events of one user of the log: read from the timelines that a pushed model was tested on."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import struct
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import contract
from components.common import storage
from pipeline.ask.loaded import use_lean_tensorflow
from pipeline.errors import InputError
from pipeline.terminal.typed import typed

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_NODE = "example_gen"
_OUTPUT = "timelines"


class NoTimelinesError(InputError):
    """The timelines are not there to be read."""


@dataclasses.dataclass(frozen=True)
class UserEvents:
    """Ratings, oldest first: one entry per event in each."""

    item_ids: tuple[str, ...] = ()
    ratings: tuple[float, ...] = ()
    timestamps: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def as_inputs(self) -> dict[str, list[Any]]:
        """The history inputs of a signature."""
        columns = (self.item_ids, self.ratings, self.timestamps)
        return dict(zip(contract.HISTORY_FEATURES, map(list, columns), strict=True))

    def then(self, newer: UserEvents) -> UserEvents:
        """These events, followed by newer ones.

        An item that is rated again keeps the new rating only: a model counts
        the first of two events.
        """
        again = set(newer.item_ids)
        kept = [event for event in zip(*dataclasses.astuple(self), strict=True) if event[0] not in again]
        columns = list(zip(*kept, *zip(*dataclasses.astuple(newer), strict=True), strict=True))
        return UserEvents(*columns or [(), (), ()])

    def newest(self, count: int) -> UserEvents:
        return UserEvents(*(column[-count:] for column in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class Timeline:
    """A user's history as known at the test cut, and what came after it (the test block)."""

    history: UserEvents
    targets: UserEvents

    @property
    def whole(self) -> UserEvents:
        """All that the user has rated, the newest taste included."""
        return self.history.then(self.targets)


def find(store: MetadataStore | None, pipeline: str, run_id: str, user_id: str) -> Timeline | None:
    """The user's timeline, None for a user who is not in the log.

    Args:
      store: the metadata store, None where there is none.
      pipeline: its name in the store.
      run_id: the run that pushed the model; "" for the newest.
      user_id: as in the log.

    Raises:
      NoTimelinesError: no run, or its artifacts are gone.
    """
    uri = timelines_uri(store, pipeline, run_id)
    # A user with too few ratings to hold any back is in train alone.
    for split in (contract.TEST, contract.TRAIN):
        row = _row(uri, split, user_id)
        if row is not None:
            return _timeline(row)
    return None


def timelines_uri(store: MetadataStore | None, pipeline: str, run_id: str) -> str:
    """Where the timelines of a run lie (arguments and errors as of `find`)."""
    from pipeline.runs import run_records

    found = run_records.runs(store, pipeline) if store else []
    wanted = [run for run in found if run.run_id == run_id] or found
    for run in reversed(wanted):
        node = run.node(_NODE)
        for output in node.outputs.get(_OUTPUT, ()) if node else ():
            if storage.exists(output.uri):
                return output.uri
    raise NoTimelinesError(
        f"no run of {pipeline} has timelines in the metadata store, so no history can be read; "
        f"name the run's config with --config, or run `{typed('run')}`"
    )


def _row(uri: str, split: str, user_id: str) -> dict[str, Any] | None:
    """The features of the user's record in a split, None if there is none.

    One record of many is wanted, so they are looked through as bytes and that one is decoded:
    the reader of whole splits would import TensorFlow and TFX first (seconds).
    """
    use_lean_tensorflow(uri)
    from tensorflow.core.example import example_pb2, feature_pb2

    wanted = feature_pb2.Features()
    wanted.feature[contract.USER_ID].bytes_list.value.append(user_id.encode())
    entry = wanted.SerializeToString()  # as it stands in the record, whatever stands around it
    for record in _records(storage.join(uri, f"Split-{split}")):
        if entry not in record:
            continue
        features = example_pb2.Example.FromString(record).features.feature
        if features[contract.USER_ID] == wanted.feature[contract.USER_ID]:
            return _values(features)
    return None


def some(uri: str, split: str, most: int, among: int) -> list[tuple[str, Timeline]]:
    """At most so many users and their timelines, evenly from the first `among` records of a split."""
    use_lean_tensorflow(uri)
    from tensorflow.core.example import example_pb2

    records = list(itertools.islice(_records(storage.join(uri, f"Split-{split}")), among))
    found = []
    for place in sorted({i * len(records) // most for i in range(most)}) if records else ():
        row = _values(example_pb2.Example.FromString(records[place]).features.feature)
        found.append((row[contract.USER_ID][0].decode(), _timeline(row)))
    return found


def _values(features: Any) -> dict[str, Any]:
    return {
        name: list(getattr(value, value.WhichOneof("kind") or "bytes_list").value)
        for name, value in features.items()
    }


def _timeline(row: dict[str, Any]) -> Timeline:
    return Timeline(_events(row, contract.HISTORY_FEATURES), _events(row, contract.TARGET_FEATURES))


def _records(folder: str) -> Iterator[bytes]:
    """The records of a split's TFRecord shards.

    A shard is a gzip stream of: length (uint64), checksum of it (4 bytes), the record, its
    checksum (4 bytes); gzip has a checksum of its own.
    """
    for name in storage.list_names(folder):
        if not name.endswith(".gz"):
            continue
        with storage.open_binary(storage.join(folder, name), "rb") as file, gzip.open(file) as stream:
            yield from framed(stream)


def framed(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """The records of an uncompressed TFRecord stream; one that is cut off raises struct.error."""
    while header := stream.read(12):
        (length,) = struct.unpack_from("<Q", header)
        yield stream.read(length + 4)[:-4]


def _events(row: dict[str, Any], names: tuple[str, str, str]) -> UserEvents:
    ids, ratings, timestamps = (tuple(row.get(name, ())) for name in names)
    if weights := row.get(contract.WEIGHTS_OF[names[1]]):
        ratings = tuple(map(contract.rating_of_weight, weights))
    return UserEvents(tuple(item_id.decode() for item_id in ids), ratings, timestamps)
