"""Reads the two artifacts, joins the splits, writes them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc
from absl import logging
from tfx import types

import contract
from components.all_events import merge
from components.common import feature_file
from components.common.step import StepExecutor
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import schemas
from components.example_gen.records.artifact import describe, write_split
from components.example_gen.records.read import read_items, split_uri, stored_timelines

TIMELINES = "timelines"
ITEMS = "items"
ALL_TIMELINES = "all_timelines"
ALL_ITEMS = "all_items"


class Executor(StepExecutor):
    """Thin: what it does is in `merge`."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        params = ExampleGenParams.from_json(properties[contract.PARAMS])
        uri = inputs[TIMELINES].uri
        timelines = merge.timelines({split: stored_timelines(uri, split) for split in contract.SPLITS})
        items = merge.items(read_items(inputs[ITEMS].uri), timelines)
        events = pc.list_value_length(timelines[contract.HISTORY_ITEM_IDS]).to_numpy()
        for key, split, table, sizes in (
            (ALL_TIMELINES, contract.TRAIN, timelines, events),
            (ALL_ITEMS, schemas.ITEMS_SPLIT, items, np.ones(len(items), np.int64)),
        ):
            artifact = outputs[key]
            describe(artifact, [split])
            feature_file.write(artifact.uri, feature_file.read(uri))
            write_split(split_uri(artifact.uri, split), sizes, table.__getitem__, params.events_per_shard)
        logging.info("all events: %d records, %d ratings", len(timelines), events.sum())
