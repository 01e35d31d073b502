"""What the log holds of one user: read from the timelines that a pushed model was tested on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import contract
from components.common import storage
from pipeline.errors import InputError
from pipeline.terminal.typed import typed

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_NODE = "example_gen"
_OUTPUT = "timelines"


class NoTimelinesError(InputError):
    """The timelines are not there to be read."""


@dataclasses.dataclass(frozen=True)
class Events:
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

    def then(self, newer: Events) -> Events:
        """These events, followed by newer ones.

        An item that is rated again keeps the new rating only: a model counts
        the first of two events.
        """
        again = set(newer.item_ids)
        kept = [event for event in zip(*dataclasses.astuple(self), strict=True) if event[0] not in again]
        columns = list(zip(*kept, *zip(*dataclasses.astuple(newer), strict=True), strict=True))
        return Events(*columns or [(), (), ()])

    def newest(self, count: int) -> Events:
        return Events(*(column[-count:] for column in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class Timeline:
    """A user's history as known at the test cut, and what came after it (the test block)."""

    history: Events
    targets: Events

    @property
    def whole(self) -> Events:
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
            return Timeline(_events(row, contract.HISTORY_FEATURES), _events(row, contract.TARGET_FEATURES))
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
        f"no run of {pipeline} has timelines in the metadata store, so nobody's history is at hand; "
        f"name the run's config with --config, or run `{typed('run')}`"
    )


def _row(uri: str, split: str, user_id: str) -> dict[str, Any] | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    from components.example_gen.records.read import read_timelines

    table = read_timelines(uri, split)
    users = table[contract.USER_ID].cast(pa.large_binary())
    rows = table.filter(pc.equal(users, pa.scalar(user_id.encode(), pa.large_binary()))).to_pylist()
    return rows[0] if rows else None


def _events(row: dict[str, Any], names: tuple[str, str, str]) -> Events:
    ids, ratings, timestamps = (tuple(row[name]) for name in names)
    return Events(tuple(i.decode() if isinstance(i, bytes) else i for i in ids), ratings, timestamps)
