"""Reads the artifacts, builds the two models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.types import artifact_utils
from tfx.utils import path_utils

import contract
from components.common import feature_file, storage
from components.common.step import StepExecutor
from components.example_gen.records.read import read_items
from components.index.build import build_models
from components.index.carried import fitted_log
from components.index.params import IndexParams
from components.index.users.user_records import read

TOWERS = "towers"
ITEMS = "items"
TIMELINES = "timelines"
MODEL = "model"
MODEL_EXACT = "model_exact"


class Executor(StepExecutor):
    """Thin: everything that can be tested without TFX is in `build`."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        timelines, items_uri = inputs[TIMELINES], inputs[ITEMS].uri
        towers_dir = path_utils.serving_model_path(inputs[TOWERS].uri)
        params = IndexParams.from_json(properties[contract.PARAMS])
        splits = artifact_utils.decode_split_names(timelines.split_names)
        users = read(timelines.uri, splits, params)
        build_models(
            tf.saved_model.load(towers_dir),
            read_items(items_uri),
            users.tables,
            params,
            {
                contract.MODEL: _model_dir(outputs[MODEL]),
                contract.MODEL_EXACT: _model_dir(outputs[MODEL_EXACT]),
            },
            feature_file.read(items_uri),
            keep_users=users.everybody,
            kind=storage.read_text(storage.join(towers_dir, contract.ASSETS_EXTRA, contract.KIND)),
        )
        extra = storage.join(_model_dir(outputs[MODEL]), contract.ASSETS_EXTRA)
        carried = carry(storage.join(towers_dir, contract.ASSETS_EXTRA), extra)
        # Of a refresh the log is a newer one than its towers were fitted to.
        if params.drift_users and contract.FITTED_ITEMS not in carried:
            run = (self._context.pipeline_run_id if self._context else None) or ""
            fitted_log.write(extra, timelines.uri, splits, params.drift_users, run)


def carry(towers: str, model: str) -> list[str]:
    """Copies what goes on from the towers to the model that is pushed, and returns its names.

    So a later training can start from the pushed model, and drift be measured, even when the towers'
    artifact is long gone. Towers without weights by name (a model of another kind) leave none.

    Args:
      towers, model: folders contract.ASSETS_EXTRA.
    """
    names = (contract.WARM_START, contract.FITTED_LOG, contract.FITTED_ITEMS)
    there = [name for name in names if storage.exists(storage.join(towers, name))]
    for name in there:
        storage.copy_file(storage.join(towers, name), storage.join(model, name))
    return there


def _model_dir(artifact: types.Artifact) -> str:
    path: str = path_utils.serving_model_dir(artifact.uri)
    return path
