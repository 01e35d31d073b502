"""The TFX executor around the reader, the cut and the writer."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components import contract
from components.example_gen import features, movielens, movies, timelines
from components.example_gen.artifact import describe, write_split
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.read import split_uri

DATA_PATH = "data_path"
TIMELINES = "timelines"
MOVIES = "movies"


class Executor(base_executor.BaseExecutor):
    """Reads a folder of interactions and writes `timelines` and `movies`.

    Raises:
      DataError: the data cannot be used.
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        params = ExampleGenParams.from_json(exec_properties[contract.PARAMS])
        log = movielens.read(exec_properties[DATA_PATH])
        # The outputs are cached under the fingerprint, so they must be of these very bytes.
        expected, found = exec_properties[contract.DATA_FINGERPRINT], fingerprint(exec_properties[DATA_PATH])
        if found != expected:
            raise DataError(
                movielens.RATINGS,
                f"the files in {exec_properties[DATA_PATH]} changed while the run was reading them "
                f"(fingerprint {found[:12]}, at the start {expected[:12]}); run again",
            )
        events = timelines.sort_events(log)
        at = timelines.cut(events.offsets)
        if not at.split_users.size:
            raise DataError(
                movielens.RATINGS,
                f"none of {len(events.user_ids)} users has 3 ratings or more, so there is nothing to test "
                "on; expected at least one (one rating each for train, eval and test)",
            )

        artifact = artifact_utils.get_single_instance(output_dict[TIMELINES])
        describe(artifact, contract.SPLITS)
        for split in contract.SPLITS:
            sizes = timelines.lengths(events, at, split)
            make = functools.partial(timelines.records, events, at, split)
            write_split(split_uri(artifact.uri, split), sizes, make, params.events_per_shard)
            logging.info("timelines, %s: %d records, %d ratings", split, len(sizes), sizes.sum())

        artifact = artifact_utils.get_single_instance(output_dict[MOVIES])
        describe(artifact, (features.MOVIES_SPLIT,))
        table = movies.records(log, events, at)
        folder, sizes = split_uri(artifact.uri, features.MOVIES_SPLIT), np.ones(len(table), np.int64)
        write_split(folder, sizes, lambda part: table[part], params.events_per_shard)
        logging.info("movies: %d", len(table))
