"""What a pushed model knew, and what happened next."""

from __future__ import annotations

import dataclasses

import numpy as np

import contract
from components.common import storage
from components.common.event_lists import Events
from components.example_gen.records.read import read_timelines
from components.trainer.inputs import events
from leaderboard.split import Catalogue, Histories, Queries


@dataclasses.dataclass(frozen=True)
class Log:
    """N items, V users of train, U users of test who have a history and a relevant target.

    Attributes:
      catalogue: in the model's order, most rated in train first.
      train: V lists.
      queries: U requests, each at the time of its first target.
      relevant: U lists, the targets of contract.RELEVANT_RATING stars or more.
      targets: U lists, all of them.
    """

    catalogue: Catalogue
    train: Histories
    queries: Queries
    relevant: Histories
    targets: Histories

    @property
    def rating_counts(self) -> np.ndarray:
        """int64[N], train ratings."""
        counts: np.ndarray = self.catalogue.table[contract.RATING_COUNT].to_numpy()
        return counts


def read(model_dir: str, timelines_uri: str) -> Log:
    """The catalogue that a SavedModel carries, and the timelines of the run that made it.

    Raises:
      ValueError: the catalogue is not an index's, the timelines are another run's, or nobody in
        test has a relevant target.
    """
    catalogue = catalogue_of(model_dir)
    if (np.diff(catalogue.table[contract.RATING_COUNT].to_numpy()) > 0).any():
        raise ValueError(f"the catalogue of {model_dir} is not in the order of its items' ratings")
    ids = [id_.encode() for id_ in catalogue.ids]
    train = events.history_events(read_timelines(timelines_uri, contract.TRAIN), ids)
    test = read_timelines(timelines_uri, contract.TEST)
    history, targets = _lists(events.history_events(test, ids)), _lists(events.target_events(test, ids))
    relevant = liked(targets)
    users = np.flatnonzero((history.lengths > 0) & (relevant.lengths > 0))
    if not len(users):
        raise ValueError(f"nobody in the test split of {timelines_uri} has a history and a relevant target")
    names = test[contract.USER_ID].to_pylist()
    return Log(
        catalogue,
        _lists(train),
        Queries(
            tuple(names[user] for user in users),
            history.take(users),
            targets.timestamps[targets.offsets[users]],
        ),
        relevant.take(users),
        targets.take(users),
    )


def catalogue_of(model_dir: str) -> Catalogue:
    """The catalogue that a SavedModel carries."""
    path = storage.join(model_dir, contract.ASSETS_EXTRA, contract.CATALOGUE)
    return Catalogue.of(storage.read_parquet(path))


def liked(lists: Histories) -> Histories:
    """The events of contract.RELEVANT_RATING stars or more."""
    return lists.where(lists.ratings >= contract.RELEVANT_RATING)


def _lists(flat: Events) -> Histories:
    return Histories(flat.rows, flat.ratings, flat.timestamps, flat.offsets)
