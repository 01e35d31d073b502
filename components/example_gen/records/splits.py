"""Which events are train, eval and test: the rules that contract.SplitRule names."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from components.example_gen.dates import seconds_of
from components.example_gen.params import ExampleGenParams
from components.example_gen.records.timelines import Events

TRAIN_PART: Final = 0
EVAL_PART: Final = 1
TEST_PART: Final = 2


def parts(events: Events, params: ExampleGenParams) -> np.ndarray:
    """int8[R]: the part of each event. A user's events are cut by themselves, whoever else is there."""
    counts = np.diff(events.offsets)
    if params.split == "global_time":
        assert params.eval_from is not None
        assert params.test_from is not None
        dates = [seconds_of(params.eval_from), seconds_of(params.test_from)]
        return np.searchsorted(dates, events.timestamps, side="right").astype(np.int8)
    block = np.maximum(1, counts // 10) if params.split != "leave_last_out" else np.ones_like(counts)
    block = np.where(counts >= 3, block, 0)
    # How many of the user's events come after this one, in time or as drawn.
    if params.split == "random":
        after = _shuffled(events, params.split_seed)
    else:
        after = np.repeat(events.offsets[1:], counts) - 1 - np.arange(len(events.items))
    block = np.repeat(block, counts)
    return np.where(after < block, TEST_PART, np.where(after < 2 * block, EVAL_PART, TRAIN_PART)).astype(
        np.int8
    )


def _shuffled(events: Events, seed: int) -> np.ndarray:
    """int64[R]: a permutation of 0 ... n - 1 within each user, drawn from the seed and the user's id."""
    counts = np.diff(events.offsets)
    user = np.repeat(np.arange(len(counts)), counts)
    position = np.arange(len(user)) - events.offsets[:-1][user]
    seeds = np.array(
        [
            int.from_bytes(hashlib.blake2b(f"{seed}/{id_}".encode(), digest_size=8).digest(), "little")
            for id_ in events.user_ids.to_pylist()
        ],
        np.uint64,
    )
    draw = _mixed(seeds[user] + position.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    rank = np.empty(len(user), np.int64)
    rank[np.lexsort((draw, user))] = position
    return rank


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finish: neighbouring numbers become unrelated ones (Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
