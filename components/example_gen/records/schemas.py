"""The Arrow schemas of the two artifacts; Examples are written from and read into them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

import contract
from components.common.features import FeatureSpec, own

# Large strings: the ids of one split can pass the 2 GiB that 32-bit offsets hold.
_STRING = pa.large_string()
_STRINGS = pa.large_list(_STRING)
_FLOATS = pa.large_list(pa.float32())
_INTEGERS = pa.large_list(pa.int64())

TIMELINES = pa.schema(
    [
        (contract.USER_ID, _STRING),
        (contract.HISTORY_ITEM_IDS, _STRINGS),
        (contract.HISTORY_RATINGS, _FLOATS),
        (contract.HISTORY_TIMESTAMPS, _INTEGERS),
        (contract.TARGET_ITEM_IDS, _STRINGS),
        (contract.TARGET_RATINGS, _FLOATS),
        (contract.TARGET_TIMESTAMPS, _INTEGERS),
        (contract.SLICE_HISTORY, _STRING),
        (contract.SLICE_COLD, _STRING),
    ]
)
ITEMS = pa.schema(
    [
        (contract.ITEM_ID, _STRING),
        (contract.TITLE, _STRING),
        (contract.YEAR, pa.int64()),
        (contract.GENRES, _STRINGS),
        (contract.TAGS, _STRINGS),
        (contract.RATING_COUNT, pa.int64()),
        (contract.RATING_MEAN, pa.float32()),
    ]
)
_OWN = {"categorical": _STRINGS, "multi": _STRINGS, "number": _FLOATS, "text": _STRING}


def items_schema(specs: Iterable[FeatureSpec] = ()) -> pa.Schema:
    """`ITEMS` and the columns of a data set's own features."""
    return pa.schema([*ITEMS, *((spec.name, _OWN[spec.kind]) for spec in own(specs))])


def user_schema(specs: Iterable[FeatureSpec]) -> pa.Schema:
    """The columns that features of users add to `TIMELINES`."""
    return pa.schema([(contract.user_feature(spec.name), _OWN[spec.kind]) for spec in specs])


def timelines_schema(specs: Iterable[FeatureSpec] = (), implicit: bool = False) -> pa.Schema:
    """`TIMELINES` and the columns of features of users; of a log without ratings with weights."""
    events = [field.with_name(contract.of_feedback(field.name, implicit)) for field in TIMELINES]
    return pa.schema([*events, *user_schema(specs)])


# The split of the items artifact: it is a table, not a sample.
ITEMS_SPLIT = contract.TRAIN
