"""The TFX executor around the reader, the cut and the writer."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_beam_executor

import contract
from components.common import feature_file, storage
from components.common.features import Features
from components.common.step import StepExecutor
from components.example_gen import accounts
from components.example_gen.beam.engine import Workers
from components.example_gen.beam.runner import choose
from components.example_gen.errors import DataError
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.layouts import detect
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.records import item_records, schemas
from components.example_gen.records.artifact import describe, write_split
from components.example_gen.records.read import split_uri
from components.example_gen.sorting.gather import Gathered, scratch_folder
from components.example_gen.sorting.in_process import InProcess
from components.example_gen.sorting.log_store import Index
from components.example_gen.sorting.totals import Totals, require_splits

DATA_PATH = "data_path"
TIMELINES = "timelines"
ITEMS = "items"
QUARANTINE = "quarantine"


class Executor(StepExecutor, base_beam_executor.BaseBeamExecutor):
    """Reads interactions and writes `timelines`, `items` and what was set aside.

    The log is read, sorted and cut here or on the workers of the Beam runner, as
    `ExampleGenParams.engine` says, with the same artifacts.

    Raises:
      DataError: the data cannot be used.
    """

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        params = ExampleGenParams.from_json(properties[contract.PARAMS])
        path = properties[DATA_PATH]
        dataset = detect(path, params)
        logging.info("layout %s", dataset)
        folder = outputs[QUARANTINE].uri
        with scratch_folder(params) as scratch, self._engine(params, scratch, folder) as engine:
            bad_rows = scratch / contract.BAD_ROWS
            with Quarantine(bad_rows) as bad:
                data = engine.gather(dataset, params, bad)
            # The outputs are cached under the fingerprint, so they must be of these very bytes.
            expected, found = properties[contract.DATA_FINGERPRINT], fingerprint(path, params)
            if found != expected:
                raise DataError(
                    dataset.ratings.files[0].name,
                    f"the files in {path} changed while the run was reading them "
                    f"(fingerprint {found[:12]}, at the start {expected[:12]}); run again",
                )
            known = engine.totals(data, params)
            require_splits(data.log, known, params, dataset.ratings.files[0].name)
            artifact = outputs[TIMELINES]
            describe(artifact, contract.SPLITS)
            engine.write(artifact.uri, data, known, params)
            for split in contract.SPLITS:
                sizes = known.sizes(split)
                logging.info("timelines, %s: %d records, %d ratings", split, len(sizes), sizes.sum())
            _write_items(outputs[ITEMS], data, known, params)
            meaning = Features(
                feedback="implicit" if dataset.implicit else "explicit",
                item=params.item_features,
                user=params.user_features,
                item_noun=params.item_noun or dataset.item_noun,
                event_weights={
                    event: weight / max(params.event_weights.values())
                    for event, weight in params.event_weights.items()
                },
                rating_scale=params.rating_scale,
                timed=dataset.timed,
            )
            for key in (TIMELINES, ITEMS):
                feature_file.write(outputs[key].uri, meaning)
            account = accounts.account(data, known, bad, params)
            storage.copy_file(str(bad_rows), storage.join(folder, contract.BAD_ROWS))
            storage.write_text(
                storage.join(folder, contract.ROWS), json.dumps(account.as_dict(), indent=2) + "\n"
            )
        logging.info("%s", "; ".join(account.lines()))

    @contextlib.contextmanager
    def _engine(self, params: ExampleGenParams, scratch: Path, folder: str) -> Iterator[Any]:
        """`InProcess` or `Workers`, whose files go when the block ends.

        Args:
          scratch: a folder of this process.
          folder: one that workers see, as they see all artifacts.
        """
        on_beam, reason = choose(params, self._beam_pipeline_args)
        logging.info("engine %s: %s", "beam" if on_beam else "local", reason)
        if not on_beam:
            yield InProcess(scratch)
            return
        root = storage.join(str(scratch) if params.scratch else folder, "work")
        # A step that was killed may have left one behind, and its workers may live on.
        storage.remove_tree(root)
        try:
            yield Workers(self._make_beam_pipeline, storage.join(root, uuid.uuid4().hex))
        finally:
            storage.remove_tree(root)


def _write_items(
    artifact: types.Artifact, data: Gathered[Index], known: Totals, params: ExampleGenParams
) -> None:
    describe(artifact, (schemas.ITEMS_SPLIT,))
    table = item_records.records(data.items, data.tags, data.log.user_ids, known, params.item_features)
    folder, sizes = split_uri(artifact.uri, schemas.ITEMS_SPLIT), np.ones(len(table), np.int64)
    write_split(folder, sizes, lambda part: table[part], params.events_per_shard)
    logging.info("items: %d", len(table))
