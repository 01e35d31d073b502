"""What must be known of all users before one record can be written: one pass over the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

import contract
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.quarantine import percent
from components.example_gen.records import splits
from components.example_gen.records.timelines import Events, has_record, history_and_targets
from components.example_gen.sorting.log_store import Index, Log

_SORTED_SHARE: Final = 0.2  # of the users
# So many events are in order by chance with one user in twelve; so many ratings, with ties, with fewer.
_FEW, _SOME = 4, 6


@dataclasses.dataclass(frozen=True)
class Totals:
    """Sums over a log whose U users are cut.

    Attributes:
      train_count: int64[M], each item's train ratings.
      train_sum: float64[M], the sum of their stars or weights.
      last_train: int64[U], when a user's last train rating is, -1 where there is none.
      history, targets: split -> int64[U], events in each user's record.
      by_item, by_rating: int64[2], users with several events whose items (ratings) only rise or
        only fall, and all users with so many events.
    """

    train_count: np.ndarray
    train_sum: np.ndarray
    last_train: np.ndarray
    history: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]
    by_item: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, np.int64))
    by_rating: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, np.int64))

    @property
    def seen(self) -> np.ndarray:
        """bool[M]: which items have a train rating."""
        return self.train_count > 0

    @property
    def train_mean(self) -> np.ndarray:
        """float32[M]: mean stars or weight of the train events, 0 if none."""
        return (self.train_sum / np.maximum(self.train_count, 1)).astype(np.float32)

    def users(self, split: str) -> np.ndarray:
        """int64[...]: the users that have a record in a split, in order."""
        return np.flatnonzero(has_record(self.history[split], self.targets[split], split))

    def sizes(self, split: str) -> np.ndarray:
        """int64[records]: events, history and targets, of each record of a split."""
        users = self.users(split)
        return self.history[split][users] + self.targets[split][users]

    def events_used(self) -> int:
        """How many events are in some record: a record holds its user's events up to a point."""
        number = np.zeros(len(self.last_train), np.int64)
        train = has_record(self.history[contract.TRAIN], self.targets[contract.TRAIN], contract.TRAIN)
        number += np.where(train, self.history[contract.TRAIN], 0)
        evaluated = has_record(self.history[contract.EVAL], self.targets[contract.EVAL], contract.EVAL)
        tested = has_record(self.history[contract.TEST], self.targets[contract.TEST], contract.TEST)
        # What a test history adds to train's is eval's events.
        eval_events = self.history[contract.TEST] - self.history[contract.TRAIN]
        number += np.where(evaluated | tested, eval_events, 0)
        number += np.where(tested, self.targets[contract.TEST], 0)
        return int(number.sum())

    def of_users(self) -> Totals:
        """What is by user alone; without the sums over items."""
        return dataclasses.replace(self, train_count=np.zeros(0, np.int64), train_sum=np.zeros(0))

    @classmethod
    def together(cls, parts: Sequence[Totals], train_count: np.ndarray, train_sum: np.ndarray) -> Totals:
        """Totals of a log from those of its parts (consecutive users) and the sums over all of them."""

        def joined(arrays: Iterable[np.ndarray]) -> np.ndarray:
            return np.concatenate([np.zeros(0, np.int64), *arrays])

        return cls(
            train_count,
            train_sum,
            joined(part.last_train for part in parts),
            {split: joined(part.history[split] for part in parts) for split in contract.SPLITS},
            {split: joined(part.targets[split] for part in parts) for split in contract.SPLITS},
            *(
                np.sum([np.zeros(2, np.int64), *found], axis=0)
                for found in ([part.by_item for part in parts], [part.by_rating for part in parts])
            ),
        )

    def order_is_no_time(self) -> str | None:
        """In words, of a log without times: that too many users' events have the order of something else."""
        for what, (count, several) in (("item", self.by_item), ("rating", self.by_rating)):
            if count > _SORTED_SHARE * several:
                return (
                    f"there is no time, and the rows of {count:,} ({percent(count / several)}) users are "
                    f"sorted by {what}: their order is no time; give a column time, or split: random"
                )
        return None


def totals(log: Log, params: ExampleGenParams, timed: bool = True) -> Totals:
    """Cuts every user once.

    Args:
      timed: whether events have times; `by_item` and `by_rating` are of logs that have none.
    """
    items, users = len(log.item_ids), len(log.user_ids)
    count, stars = np.zeros(items, np.int64), np.zeros(items)
    last_train = np.full(users, -1, np.int64)
    history = {split: np.zeros(users, np.int64) for split in contract.SPLITS}
    targets = {split: np.zeros(users, np.int64) for split in contract.SPLITS}
    by_item = by_rating = np.zeros(2, np.int64)
    for first, last in log.spans(params.buffer_rows):
        events = log.events(first, last)
        parts = splits.parts(events, params)
        train = parts == splits.TRAIN_PART
        count += np.bincount(events.items[train], minlength=items)
        stars += np.bincount(events.items[train], events.ratings[train], items)
        user = np.repeat(np.arange(first, last), np.diff(events.offsets))
        # Ascending within a user, so the last one written stays.
        last_train[user[train]] = events.timestamps[train]
        if not timed:
            by_item = by_item + _in_order(events.items, events, _FEW)
            by_rating = by_rating + _in_order(events.ratings, events, _SOME)
        for split in contract.SPLITS:
            known, wanted = history_and_targets(parts, split)
            history[split][first:last] = events.per_user(known)
            targets[split][first:last] = events.per_user(wanted)
    return Totals(count, stars, last_train, history, targets, by_item, by_rating)


def _in_order(values: np.ndarray, events: Events, least: int) -> np.ndarray:
    """int64[2]: users of `least` events or more whose values only rise or only fall, and all such users."""
    steps = np.diff(values.astype(np.float64), prepend=values[:1])
    steps[events.offsets[:-1]] = 0
    falls, rises = events.per_user(steps < 0), events.per_user(steps > 0)
    enough = np.diff(events.offsets) >= least
    return np.array([(enough & ((falls == 0) ^ (rises == 0))).sum(), enough.sum()])


def require_splits(log: Index, known: Totals, params: ExampleGenParams, file: str) -> None:
    """Stops where a split would have no record.

    Raises:
      DataError: saying what the rule of the split needs.
    """
    for split in contract.SPLITS:
        if known.users(split).size:
            continue
        needs = (
            f"events before {params.eval_from}, from then to {params.test_from}, and from then on"
            if params.split == "global_time"
            else "3 ratings or more (one each for train, eval and test)"
        )
        window = f"; example_gen.window is {params.window}: a longer one has more" if params.window else ""
        raise DataError(
            file,
            f"none of {len(log.user_ids)} users has {needs}, so there is nothing to put into {split}; "
            f"expected at least one such user{window}",
        )
