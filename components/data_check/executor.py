"""The TFX executor that raises on anomalies."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.types import artifact_utils

from components.common.step import StepExecutor
from components.data_check.anomalies import DataCheckError, read

TIMELINES_ANOMALIES = "timelines_anomalies"
ITEMS_ANOMALIES = "items_anomalies"
REPORT = "report"
REPORT_FILE = "anomalies.json"

_DATASETS = {TIMELINES_ANOMALIES: "timelines", ITEMS_ANOMALIES: "items"}


class Executor(StepExecutor):
    """Writes all anomalies to the report and raises if there is any.

    Raises:
      DataCheckError: naming data set, split, feature and reason of each.
    """

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        anomalies = []
        for key, dataset in _DATASETS.items():
            artifact = inputs[key]
            splits = artifact_utils.decode_split_names(artifact.split_names)
            anomalies += read(dataset, artifact.uri, splits)

        report = outputs[REPORT]
        tf.io.gfile.makedirs(report.uri)
        with tf.io.gfile.GFile(os.path.join(report.uri, REPORT_FILE), "w") as file:  # noqa: PTH118 (may be a URL)
            json.dump([dataclasses.asdict(anomaly) for anomaly in anomalies], file, indent=2)
        if anomalies:
            raise DataCheckError(anomalies)
        logging.info("no anomalies")
