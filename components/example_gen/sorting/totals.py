"""What must be known of all users before one record can be written: one pass over the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

import contract
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import splits
from components.example_gen.records.timelines import has_record, history_and_targets
from components.example_gen.sorting.log_store import Index, Log


@dataclasses.dataclass(frozen=True)
class Totals:
    """Sums over a log whose U users are cut.

    Attributes:
      train_count: int64[M], each item's train ratings.
      train_sum: float64[M], the sum of their stars.
      last_train: int64[U], when a user's last train rating is, -1 where there is none.
      history, targets: split -> int64[U], events in each user's record.
    """

    train_count: np.ndarray
    train_sum: np.ndarray
    last_train: np.ndarray
    history: dict[str, np.ndarray]
    targets: dict[str, np.ndarray]

    @property
    def seen(self) -> np.ndarray:
        """bool[M]: which items have a train rating."""
        return self.train_count > 0

    @property
    def train_mean(self) -> np.ndarray:
        """float32[M]: mean stars of the train ratings, 0 if none."""
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
        )


def totals(log: Log, params: ExampleGenParams) -> Totals:
    """Cuts every user once."""
    items, users = len(log.item_ids), len(log.user_ids)
    count, stars = np.zeros(items, np.int64), np.zeros(items)
    last_train = np.full(users, -1, np.int64)
    history = {split: np.zeros(users, np.int64) for split in contract.SPLITS}
    targets = {split: np.zeros(users, np.int64) for split in contract.SPLITS}
    for first, last in log.spans(params.buffer_rows):
        events = log.events(first, last)
        parts = splits.parts(events, params)
        train = parts == splits.TRAIN_PART
        count += np.bincount(events.items[train], minlength=items)
        stars += np.bincount(events.items[train], events.ratings[train], items)
        user = np.repeat(np.arange(first, last), np.diff(events.offsets))
        # Ascending within a user, so the last one written stays.
        last_train[user[train]] = events.timestamps[train]
        for split in contract.SPLITS:
            known, wanted = history_and_targets(parts, split)
            history[split][first:last] = events.per_user(known)
            targets[split][first:last] = events.per_user(wanted)
    return Totals(count, stars, last_train, history, targets)


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
        raise DataError(
            file,
            f"none of {len(log.user_ids)} users has {needs}, so there is nothing to put into {split}; "
            "expected at least one such user",
        )
