"""The TFX executor around the reader, the cut and the writer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components import contract, feature_file, storage
from components.example_gen import accounts, features, movies, splits, timelines
from components.example_gen.artifact import describe, write_split
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.gather import Gathered, gather, scratch_folder
from components.example_gen.layouts import detect
from components.example_gen.params import ExampleGenParams
from components.example_gen.quarantine import Quarantine
from components.example_gen.read import split_uri
from components.example_gen.totals import Totals, require_splits, totals
from components.features import Features

DATA_PATH = "data_path"
TIMELINES = "timelines"
MOVIES = "movies"
QUARANTINE = "quarantine"


class Executor(base_executor.BaseExecutor):
    """Reads interactions and writes `timelines`, `movies` and what was set aside.

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
        path = exec_properties[DATA_PATH]
        layout = detect(path, params)
        logging.info("layout %s", layout)
        with scratch_folder(params) as scratch:
            bad_rows = scratch / contract.BAD_ROWS
            with Quarantine(bad_rows) as bad:
                data = gather(layout, params, bad, scratch)
            # The outputs are cached under the fingerprint, so they must be of these very bytes.
            expected, found = exec_properties[contract.DATA_FINGERPRINT], fingerprint(path, params)
            if found != expected:
                raise DataError(
                    layout.ratings.files[0].name,
                    f"the files in {path} changed while the run was reading them "
                    f"(fingerprint {found[:12]}, at the start {expected[:12]}); run again",
                )
            known = totals(data.log, params)
            require_splits(data.log, known, params, layout.ratings.files[0].name)
            _write_timelines(output_dict[TIMELINES], data, known, params)
            _write_movies(output_dict[MOVIES], data, known, params)
            meaning = Features(
                feedback="implicit" if layout.implicit else "explicit",
                item=params.item_features,
                user=params.user_features,
            )
            for key in (TIMELINES, MOVIES):
                feature_file.write(artifact_utils.get_single_uri(output_dict[key]), meaning)
            account = accounts.account(data, known, bad)
            folder = artifact_utils.get_single_uri(output_dict[QUARANTINE])
            storage.copy_file(str(bad_rows), storage.join(folder, contract.BAD_ROWS))
            storage.write_text(
                storage.join(folder, contract.ROWS), json.dumps(account.as_dict(), indent=2) + "\n"
            )
        logging.info("%s", "; ".join(account.lines()))


def _write_timelines(
    artifacts: list[types.Artifact], data: Gathered, known: Totals, params: ExampleGenParams
) -> None:
    artifact = artifact_utils.get_single_instance(artifacts)
    describe(artifact, contract.SPLITS)
    for split in contract.SPLITS:
        users, sizes = known.users(split), known.sizes(split)

        def make(part: slice, split: str = split, users: np.ndarray = users) -> pa.Table:
            # Users between these two who have no record here are left out by `records`.
            first, last = int(users[part][0]), int(users[part][-1]) + 1
            events, of_users = data.log.events(first, last), data.users.slice(first, last - first)
            return timelines.records(events, splits.parts(events, params), split, known.seen, of_users)

        write_split(split_uri(artifact.uri, split), sizes, make, params.events_per_shard)
        logging.info("timelines, %s: %d records, %d ratings", split, len(sizes), sizes.sum())


def _write_movies(
    artifacts: list[types.Artifact], data: Gathered, known: Totals, params: ExampleGenParams
) -> None:
    artifact = artifact_utils.get_single_instance(artifacts)
    describe(artifact, (features.MOVIES_SPLIT,))
    table = movies.records(data.items, data.tags, data.log.user_ids, known, params.item_features)
    folder, sizes = split_uri(artifact.uri, features.MOVIES_SPLIT), np.ones(len(table), np.int64)
    write_split(folder, sizes, lambda part: table[part], params.events_per_shard)
    logging.info("movies: %d", len(table))
