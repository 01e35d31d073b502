"""Recent popularity: what most people chose in the last days before a user's cut.

The baseline of Ji, Sun, Zhang and Li, 2020, "A re-visit of the popularity baseline in recommender
systems" (RecentPop): popularity as of the request, where counts over the whole log name what is over.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

import contract
from components.common import feature_file, storage
from components.common.metrics.hits import NEVER
from components.common.ragged import offsets_of
from components.example_gen.records.read import timeline_batches

NO_TIMES: Final = "the log has no times"
NO_CUT: Final = (
    "histories hold events later than their targets (the split random), so there is no cut in time"
)

_FILE: Final = "recent_popularity.parquet"
_RANKS: Final = "ranks"
_DAY: Final = 86_400  # seconds
_TRAIN: Final = (contract.HISTORY_ITEM_IDS, contract.HISTORY_TIMESTAMPS)
_ASKED: Final = (contract.USER_ID, *_TRAIN, contract.TARGET_ITEM_IDS, contract.TARGET_TIMESTAMPS)


def measure(examples: str, split: str, days: int) -> pa.Table | str:
    """Where recent popularity ranks the targets of a split.

    Args:
      examples: timelines with the split and train.
      days: N, as of `ranks`.

    Returns:
      `user_id` and `ranks` as `ranks` has them, or why the log has no such baseline.
    """
    if not feature_file.read(examples).timed:
        return NO_TIMES
    asked = pa.concat_tables(timeline_batches(examples, split, _ASKED)).combine_chunks()
    if _later_than_targets(asked):
        return NO_CUT
    # Ids become numbers batch by batch: as texts, the events of a large log take many times the memory.
    ids, event_days = [], [np.zeros(0, np.int64)]
    for batch in timeline_batches(examples, contract.TRAIN, _TRAIN):
        lists = batch.combine_chunks()
        ids.append(_flat(lists, contract.HISTORY_ITEM_IDS).dictionary_encode())
        event_days.append(_day(lists, contract.HISTORY_TIMESTAMPS))
    encoded = pa.chunked_array(ids, pa.dictionary(pa.int32(), pa.large_string())).unify_dictionaries()
    vocabulary = encoded.chunk(0).dictionary if ids else pa.array([], pa.large_string())
    items = [np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in encoded.chunks)]
    found = ranks(vocabulary, np.concatenate(items), np.concatenate(event_days), asked, days)
    return pa.table({contract.USER_ID: asked[contract.USER_ID], _RANKS: found})


def ranks(
    vocabulary: pa.LargeStringArray,
    items: NDArray[np.int32],
    event_days: NDArray[np.int64],
    asked: pa.Table,
    days: int,
) -> pa.LargeListArray:
    """The rank of every target in the list of its user's day.

    A day's list has the items by their train events in the N days before it, ties and what nobody chose
    in these by all train events, then by id; a user's own history is left out. The day is that of the
    user's first target, or the one after the last train event if that comes sooner: with a split at a
    date the counts end where the model's knowledge does. Days are UTC's, and what happens on the day
    itself does not count, as in a list that is made every night.

    Args:
      vocabulary: ids of the items that have a train event.
      items: int32[E], of each train event the item's place in `vocabulary`.
      event_days: int64[E], of each the days since 1970.
      asked: U records with histories, targets and the targets' times.
      days: N.

    Returns:
      int64 lists, U: of each target its rank from 0; NEVER of one in the history or without a train event.
    """
    totals = np.bincount(items, minlength=len(vocabulary))
    by_id = np.argsort(np.asarray(vocabulary.to_pylist(), object), kind="stable")
    # Numbered from the most popular one on, a stable sort by recent counts breaks ties as it should.
    popular = by_id[np.argsort(-totals[by_id], kind="stable")]
    number = np.empty(len(popular), np.int64)
    number[popular] = np.arange(len(popular))
    order = np.argsort(event_days, kind="stable")
    event_days, numbers = event_days[order], number[items[order]]

    history, history_of = _numbers(asked, contract.HISTORY_ITEM_IDS, vocabulary, number)
    targets, targets_of = _numbers(asked, contract.TARGET_ITEM_IDS, vocabulary, number)
    first = _of_each(np.minimum, asked, contract.TARGET_TIMESTAMPS, NEVER) // _DAY
    cuts = np.minimum(first, event_days[-1] + 1) if event_days.size else first

    found = np.full(targets.size, NEVER, np.int64)
    for cut in np.unique(cuts):
        begin, end = np.searchsorted(event_days, (cut - days, cut))
        counts = np.bincount(numbers[begin:end], minlength=len(popular))
        place = np.empty(len(popular), np.int64)
        place[np.argsort(-counts, kind="stable")] = np.arange(len(popular))
        for user in np.flatnonzero(cuts == cut):
            own = history[history_of[user] : history_of[user + 1]]
            taken = np.sort(place[np.unique(own[own >= 0])])
            span = slice(targets_of[user], targets_of[user + 1])
            known = targets[span] >= 0
            at = place[targets[span][known]]
            above = np.searchsorted(taken, at)
            found[span][known] = np.where(np.isin(at, taken), NEVER, at - above)
    return pa.LargeListArray.from_arrays(pa.array(targets_of), pa.array(found))


def write(evaluation: str, measured: pa.Table) -> str:
    """Writes what `measure` found into the evaluation artifact, for `read`; returns the file's path."""
    storage.make_folder(evaluation)
    path = storage.join(evaluation, _FILE)
    storage.write_parquet(path, measured)
    return path


def read(path: str) -> dict[bytes, NDArray[np.int64]]:
    """User id -> int64[targets], the ranks that `measure` found."""
    table = storage.read_parquet(path)
    lists = table[_RANKS].combine_chunks()
    values = np.split(lists.flatten().to_numpy(), offsets_of(lists.value_lengths().to_numpy())[1:-1])
    return dict(zip((user.encode() for user in table[contract.USER_ID].to_pylist()), values, strict=True))


def _later_than_targets(asked: pa.Table) -> bool:
    """Whether anybody's history goes on after the first target."""
    last = _of_each(np.maximum, asked, contract.HISTORY_TIMESTAMPS, np.iinfo(np.int64).min)
    return bool((last > _of_each(np.minimum, asked, contract.TARGET_TIMESTAMPS, NEVER)).any())


def _of_each(reduce: np.ufunc, table: pa.Table, name: str, of_none: int) -> NDArray[np.int64]:
    """int64[U]: the lists of a column, each reduced to one number; `of_none` for an empty one."""
    offsets = _offsets(table, name)
    found = np.full(table.num_rows, of_none, np.int64)
    filled = np.diff(offsets) > 0
    found[filled] = reduce.reduceat(_flat(table, name).to_numpy(), offsets[:-1][filled])
    return found


def _numbers(
    asked: pa.Table, name: str, vocabulary: pa.LargeStringArray, number: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat numbers of the items, -1 of one without a train event, and the records' offsets."""
    at = _flat(asked, name).dictionary_encode()
    known = at.dictionary.cast(pa.large_string())
    places = pc.index_in(known, value_set=vocabulary).fill_null(-1).to_numpy()
    numbers = np.where(places >= 0, number[places], -1) if len(number) else np.full(len(places), -1)
    return numbers[at.indices.to_numpy()], _offsets(asked, name)


def _day(table: pa.Table, name: str) -> NDArray[np.int64]:
    return _flat(table, name).to_numpy() // _DAY


def _flat(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks().flatten()


def _offsets(table: pa.Table, name: str) -> NDArray[np.int64]:
    return offsets_of(table[name].combine_chunks().value_lengths().to_numpy())
