"""Reads the artifacts, builds the two models."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

import contract
from components.common import feature_file, storage
from components.example_gen.records.read import read_items
from components.index.build import build_models
from components.index.params import IndexParams
from components.index.users.user_records import read

TOWERS = "towers"
ITEMS = "items"
TIMELINES = "timelines"
MODEL = "model"
MODEL_EXACT = "model_exact"


class Executor(base_executor.BaseExecutor):
    """Thin: everything that can be tested without TFX is in `build`."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        self._log_startup(input_dict, output_dict, exec_properties)
        towers = artifact_utils.get_single_instance(input_dict[TOWERS])
        timelines = artifact_utils.get_single_instance(input_dict[TIMELINES])
        towers_dir = path_utils.serving_model_path(towers.uri)
        items_uri = artifact_utils.get_single_uri(input_dict[ITEMS])
        params = IndexParams.from_json(exec_properties[contract.PARAMS])
        splits = artifact_utils.decode_split_names(timelines.split_names)
        users = read(timelines.uri, splits, params)
        build_models(
            tf.saved_model.load(towers_dir),
            read_items(items_uri),
            users.tables,
            params,
            {
                contract.MODEL: _model_dir(output_dict[MODEL]),
                contract.MODEL_EXACT: _model_dir(output_dict[MODEL_EXACT]),
            },
            feature_file.read(items_uri),
            keep_users=users.everybody,
        )
        _carry_weights(towers_dir, _model_dir(output_dict[MODEL]))


def _carry_weights(towers_dir: str, model_dir: str) -> None:
    """Lets a later training start from the pushed model, even when the towers' artifact is long gone.

    Towers without weights by name (a model of another kind) leave none.
    """
    source = storage.join(towers_dir, contract.ASSETS_EXTRA, contract.WARM_START)
    if storage.exists(source):
        storage.copy_file(source, storage.join(model_dir, contract.ASSETS_EXTRA, contract.WARM_START))


def _model_dir(artifacts: list[types.Artifact]) -> str:
    path: str = path_utils.serving_model_dir(artifact_utils.get_single_uri(artifacts))
    return path
