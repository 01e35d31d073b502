"""Files -> splits: the protocols by which models are compared.

Reading, checking and cutting are example_gen's; a protocol here is a choice among its
rules, and what is measured.

  user-time       P1, the pipeline's own: each user's last tenth is test, the tenth before
                  eval. The whole catalogue is ranked, relevant = 4 stars or more.
  global-time     the same, cut at two dates for all users: what retraining in production
                  sees (Ji et al. 2023, "A Critical Study on Data Leakage in Recommender
                  System Offline Evaluation"). By default the last tenth of all events is
                  test and the tenth before eval.
  random          P2: 80/20 of all ratings, drawn with seed 42 as scikit-learn's
                  train_test_split draws from the file: published notebooks do that. RMSE,
                  MAE, and rankings of each user's own test items.
  time-ratings    P3: the ratings of user-time's test part whose user and item are in
                  train, RMSE and MAE. A query's history holds eval's ratings too, as ever.
  leave-last-out  P4: of each user the last event is test, the one before eval (Kang and
                  McAuley 2018, "Self-Attentive Sequential Recommendation"). The whole
                  catalogue is ranked, no negatives are sampled, every event counts as 5 stars.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import Final, Literal

import numpy as np
import pyarrow as pa

import contract
from components.common import ragged
from components.common.features import Features, Feedback
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts import detect
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.records import item_records, splits
from components.example_gen.records.timelines import Events, history_and_targets
from components.example_gen.sorting.gather import Gathered, gather, scratch_folder
from components.example_gen.sorting.totals import Totals
from leaderboard.split import Catalogue, Histories, Part, Split, is_confirmatory

Name = Literal["user-time", "global-time", "random", "time-ratings", "leave-last-out"]
USER_TIME: Final = "user-time"
GLOBAL_TIME: Final = "global-time"
RANDOM: Final = "random"
TIME_RATINGS: Final = "time-ratings"
LEAVE_LAST_OUT: Final = "leave-last-out"
NAMES: Final = (USER_TIME, GLOBAL_TIME, RANDOM, TIME_RATINGS, LEAVE_LAST_OUT)
# What is measured by rating errors rather than by ranking the catalogue.
BY_RATINGS: Final = (RANDOM, TIME_RATINGS)

_RULES: Final[dict[str, contract.SplitRule]] = {
    USER_TIME: "user_time",
    TIME_RATINGS: "user_time",
    GLOBAL_TIME: "global_time",
    LEAVE_LAST_OUT: "leave_last_out",
}
_RANDOM_SEED: Final = 42
_RANDOM_TEST: Final = 0.2
# Of the random split's train ratings, for tuning and early stopping.
_RANDOM_EVAL: Final = 0.1


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A data set under one protocol.

    Attributes:
      name: one of NAMES.
      tuning: hyperparameters are chosen on its eval part.
      final: the same cut for the figures of the test part. In the random split train holds
        eval's ratings too, as it does in what is published, and eval is empty.
      description: sizes, on one line.
    """

    name: str
    tuning: Split
    final: Split
    description: str

    @property
    def by_ratings(self) -> bool:
        return self.name in BY_RATINGS


def load(path: Place | str, name: str, params: ExampleGenParams | None = None) -> Protocol:
    """Reads a data set and cuts it.

    Args:
      path: as of example_gen: a MovieLens folder, a file of `user item` lines in time order,
        or one's own log with `params.columns`.
      name: one of NAMES.
      params: how to read; its `split` is the protocol's business. For global-time without
        dates the two are found.

    Raises:
      DataError: the data cannot be used.
      ValueError: no such protocol, the cut leaves no user to test, or a protocol by ratings is
        chosen for a log without any.
    """
    if name not in NAMES:
        raise ValueError(f"protocol is {name!r}, expected one of {', '.join(NAMES)}")
    params = params or ExampleGenParams.model_validate({})
    dataset = detect(path, params)
    with scratch_folder(params) as scratch, Quarantine(None) as bad:
        data = gather(dataset, params, bad, scratch)
        events = data.log.events(0, len(data.log.user_ids))
        return cut(data, events, name, params)


def cut(data: Gathered, events: Events, name: str, params: ExampleGenParams) -> Protocol:
    """The protocol's splits of all events of a log."""
    if name in BY_RATINGS and data.dataset.implicit:
        raise ValueError(
            f"{name} measures predicted ratings, and this log has none; for it there are "
            f"{', '.join(other for other in NAMES if other not in BY_RATINGS)}"
        )
    if name == LEAVE_LAST_OUT:
        # As of a file of `user item` lines: the literature on sequences ignores stars.
        same = 1.0 if data.dataset.implicit else contract.MAX_RATING
        events = dataclasses.replace(events, ratings=np.full(len(events.ratings), same, np.float32))
    if name == RANDOM:
        parts = _random_parts(events)
    else:
        parts = splits.parts(events, _rule(events, name, params))
    tuning = _split(data, events, parts, name, params)
    final = tuning
    if name == RANDOM:
        merged = np.where(parts == splits.EVAL_PART, splits.TRAIN_PART, parts).astype(np.int8)
        final = _split(data, events, merged, name, params)
    assert final.test is not None
    if not (final.test.targets.lengths > 0).any():
        raise ValueError(f"{name} leaves no user with a test event; users need 3 events or more")
    sizes = [int((parts == part).sum()) for part in (0, 1, 2)]
    text = "{:,} users, {:,} items, {:,} / {:,} / {:,} events in train / eval / test".format(
        len(tuning.user_ids), tuning.catalogue.size, *sizes
    )
    return Protocol(name, tuning, final, text)


def _rule(events: Events, name: str, params: ExampleGenParams) -> ExampleGenParams:
    changes: dict[str, str] = {"split": _RULES[name]}
    if name == GLOBAL_TIME and params.eval_from is None and params.test_from is None:
        at = np.quantile(events.timestamps, [0.8, 0.9], method="nearest")
        dates = [datetime.datetime.fromtimestamp(int(second), datetime.UTC).isoformat() for second in at]
        changes |= {"eval_from": dates[0], "test_from": dates[1]}
    return ExampleGenParams.model_validate({**params.model_dump(), **changes})


def _random_parts(events: Events) -> np.ndarray:
    """int8[R]: a fifth of all ratings is test, drawn as train_test_split(random_state=42) does.

    MovieLens's files are in order of user and item, and so is the draw here.
    """
    count = len(events.items)
    user = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    in_file = np.lexsort((events.items, user))
    drawn = in_file[np.random.RandomState(_RANDOM_SEED).permutation(count)]
    test = int(np.ceil(_RANDOM_TEST * count))
    eval_ = int(_RANDOM_EVAL * (count - test))
    parts = np.full(count, splits.TRAIN_PART, np.int8)
    parts[drawn[:test]] = splits.TEST_PART
    parts[drawn[test : test + eval_]] = splits.EVAL_PART
    return parts


def _split(data: Gathered, events: Events, parts: np.ndarray, name: str, params: ExampleGenParams) -> Split:
    # The random split has none: it is there to be compared with what is published on it.
    confirmatory = np.array(
        [name != RANDOM and is_confirmatory(id_) for id_ in events.user_ids.to_pylist()], bool
    )
    items = params.item_features
    table = item_records.records(data.items, data.tags, data.log.user_ids, _totals(events, parts), items)
    of_users = dict(zip(data.users.column_names, data.users.columns, strict=True))
    feedback: Feedback = "implicit" if data.dataset.implicit else "explicit"

    rated = events
    if data.dataset.implicit:
        rated = dataclasses.replace(events, ratings=contract.rating_of_weight(events.ratings))
    tuned = ~np.repeat(confirmatory, np.diff(events.offsets))

    def part(split: str) -> Part:
        history, targets = history_and_targets(parts, split)
        if split == contract.EVAL:
            targets = targets & tuned
        return Part(_events(rated, history), _events(rated, targets))

    return Split(
        protocol=name,
        catalogue=Catalogue.of(table),
        user_ids=tuple(events.user_ids.to_pylist()),
        train=_events(rated, history_and_targets(parts, contract.TRAIN)[0]),
        eval=part(contract.EVAL),
        test=part(contract.TEST),
        confirmatory=confirmatory,
        users=pa.table({contract.USER_ID: events.user_ids, **of_users}),
        features=Features(feedback=feedback, item=items, user=params.user_features),
    )


def _events(events: Events, kept: np.ndarray) -> Histories:
    return Histories(
        events.items[kept],
        events.ratings[kept],
        events.timestamps[kept],
        ragged.offsets_of(events.per_user(kept)),
    )


def _totals(events: Events, parts: np.ndarray) -> Totals:
    """What `item_records.records` needs, for a cut that need not be one of example_gen's rules."""
    train = parts == splits.TRAIN_PART
    count = len(events.item_ids)
    user = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    last = np.full(len(events.offsets) - 1, -1, np.int64)
    # In time order within a user, so the last one written stays.
    last[user[train]] = events.timestamps[train]
    return Totals(
        train_count=np.bincount(events.items[train], minlength=count),
        train_sum=np.bincount(events.items[train], events.ratings[train], count),
        last_train=last,
        history={},
        targets={},
    )
