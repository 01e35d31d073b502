"""The TFX executor that raises on anomalies."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.data_check.anomalies import DataCheckError, read

TIMELINES_ANOMALIES = "timelines_anomalies"
ITEMS_ANOMALIES = "items_anomalies"
REPORT = "report"
REPORT_FILE = "anomalies.json"

_DATASETS = {TIMELINES_ANOMALIES: "timelines", ITEMS_ANOMALIES: "items"}


class Executor(base_executor.BaseExecutor):
    """Writes all anomalies to the report and raises if there is any.

    Raises:
      DataCheckError: naming data set, split, feature and reason of each.
    """

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        anomalies = []
        for key, dataset in _DATASETS.items():
            artifact = artifact_utils.get_single_instance(input_dict[key])
            splits = artifact_utils.decode_split_names(artifact.split_names)
            anomalies += read(dataset, artifact.uri, splits)

        report = artifact_utils.get_single_instance(output_dict[REPORT])
        tf.io.gfile.makedirs(report.uri)
        with tf.io.gfile.GFile(os.path.join(report.uri, REPORT_FILE), "w") as file:  # noqa: PTH118 (may be a URL)
            json.dump([dataclasses.asdict(anomaly) for anomaly in anomalies], file, indent=2)
        if anomalies:
            raise DataCheckError(anomalies)
        logging.info("no anomalies")
