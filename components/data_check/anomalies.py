"""Reads what ExampleValidator found."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2

# ExampleValidator writes one binary Anomalies message per split.
_FILE = "SchemaDiff.pb"
WHOLE_DATASET = "(data set)"


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """One difference between data and schema.

    Attributes:
      dataset: timelines or items.
      split: contract.SPLITS.
      feature: its name, or WHOLE_DATASET.
      reason: the short description, such as "Out-of-range values".
      detail: the long one, with numbers.
    """

    dataset: str
    split: str
    feature: str
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.dataset}, split {self.split}, feature {self.feature}: {self.reason}: {self.detail}"


class DataCheckError(ValueError):
    """The data differs from the curated schemas.

    Attributes:
      anomalies: every difference found.
    """

    def __init__(self, anomalies: Iterable[Anomaly]):
        self.anomalies = tuple(anomalies)
        lines = "\n".join(f"  {anomaly}" for anomaly in self.anomalies)
        super().__init__(
            f"the data differs from its schema (anomalies: {len(self.anomalies)}):\n{lines}\n"
            "Correct the data, or, if it is right, the schema in components/transform/schemas."
        )


def read(dataset: str, uri: str, splits: Iterable[str]) -> list[Anomaly]:
    """The anomalies of the given splits of an ExampleAnomalies artifact, by feature."""
    found = []
    for split in splits:
        path = os.path.join(uri, f"Split-{split}", _FILE)  # noqa: PTH118 (may be a URL)
        with tf.io.gfile.GFile(path, "rb") as file:
            message = anomalies_pb2.Anomalies.FromString(file.read())
        found += [Anomaly(dataset, split, *row) for row in _rows(message)]
    return found


def _rows(message: anomalies_pb2.Anomalies) -> list[tuple[str, str, str]]:
    """(feature, reason, detail) of each reason in an Anomalies message."""
    if message.data_missing:
        return [(WHOLE_DATASET, "Data missing", "there are no examples, so nothing was compared")]
    infos = sorted(message.anomaly_info.items())
    if message.HasField("dataset_anomaly_info"):
        infos.append((WHOLE_DATASET, message.dataset_anomaly_info))
    rows = []
    for feature, info in infos:
        # The map's key is an escaped path; the path itself reads better.
        name = ".".join(info.path.step) or feature
        reasons = [(reason.short_description, reason.description) for reason in info.reason]
        rows += [(name, *reason) for reason in reasons or [(info.short_description, info.description)]]
    return rows
