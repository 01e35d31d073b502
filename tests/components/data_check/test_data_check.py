"""The gate on data: from ExampleValidator's files to an error that names everything."""

import json
from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import artifact_utils, channel, standard_artifacts
from tfx.types.experimental import simple_artifacts

import contract
from components.data_check import executor
from components.data_check.anomalies import WHOLE_DATASET, DataCheckError
from components.data_check.component import DataCheck


def anomalies(**reasons: tuple[str, str]) -> anomalies_pb2.Anomalies:
    """feature=(short, long description)"""
    message = anomalies_pb2.Anomalies()
    for feature, (short, long) in reasons.items():
        info = message.anomaly_info[feature]
        info.path.step.append(feature)
        info.reason.add(short_description=short, description=long)
    return message


def artifact(folder: Path, splits: dict[str, anomalies_pb2.Anomalies]) -> standard_artifacts.ExampleAnomalies:
    """What ExampleValidator leaves behind."""
    result = standard_artifacts.ExampleAnomalies()
    result.uri = str(folder)
    result.split_names = artifact_utils.encode_split_names(list(splits))
    for split, message in splits.items():
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "SchemaDiff.pb").write_bytes(message.SerializeToString())
    return result


def run(tmp_path, timelines=None, items=None) -> list[dict]:
    """Runs the executor; returns the report, also when it raises (through the folder)."""
    report = simple_artifacts.File()
    report.uri = str(tmp_path / "report")
    good = anomalies_pb2.Anomalies()
    inputs = {
        executor.TIMELINES_ANOMALIES: [
            artifact(tmp_path / "timelines", dict.fromkeys(contract.SPLITS, good) | (timelines or {}))
        ],
        executor.ITEMS_ANOMALIES: [artifact(tmp_path / "items", {contract.TRAIN: items or good})],
    }
    executor.Executor().Do(inputs, {executor.REPORT: [report]}, {contract.CODE_HASH: "ignored"})
    return read_report(tmp_path)


def read_report(tmp_path) -> list[dict]:
    return json.loads((tmp_path / "report" / executor.REPORT_FILE).read_text())


def test_good_data_passes_with_an_empty_report(tmp_path):
    assert run(tmp_path) == []


def test_every_anomaly_is_named_and_reported(tmp_path):
    timelines = {
        contract.TEST: anomalies(history_ratings=("Out-of-range values", "Unexpectedly high values: 7>5.")),
        contract.EVAL: anomalies(user_id=("Column dropped", "Column is completely missing")),
    }
    items = anomalies(year=("Out-of-range values", "Unexpectedly large value: 3000."))
    with pytest.raises(DataCheckError) as error:
        run(tmp_path, timelines, items)
    text = str(error.value)
    assert text.startswith("the data differs from its schema (anomalies: 3):\n")
    for line in (
        "timelines, split eval, feature user_id: Column dropped: Column is completely missing",
        "timelines, split test, feature history_ratings: Out-of-range values: Unexpectedly high values: 7>5.",
        "items, split train, feature year: Out-of-range values: Unexpectedly large value: 3000.",
    ):
        assert f"\n  {line}\n" in text
    assert read_report(tmp_path)[-1] == {
        "dataset": "items",
        "split": "train",
        "feature": "year",
        "reason": "Out-of-range values",
        "detail": "Unexpectedly large value: 3000.",
    }
    assert len(read_report(tmp_path)) == 3


def test_an_anomaly_of_the_whole_data_set_stops_it_too(tmp_path):
    message = anomalies_pb2.Anomalies()
    message.dataset_anomaly_info.reason.add(short_description="Low num examples", description="0 < 1")
    with pytest.raises(DataCheckError) as error:
        run(tmp_path, items=message)
    assert [anomaly.feature for anomaly in error.value.anomalies] == [WHOLE_DATASET]


def test_statistics_that_were_never_computed_are_no_good_data(tmp_path):
    """TFDV says so instead of listing anomalies: the data set is empty."""
    message = anomalies_pb2.Anomalies(data_missing=True)
    with pytest.raises(DataCheckError, match="no examples"):
        run(tmp_path, items=message)


def test_the_component_declares_what_the_executor_reads():
    channels = [channel.Channel(type=standard_artifacts.ExampleAnomalies) for _ in range(2)]
    component = DataCheck(*channels)
    assert set(component.inputs) == {executor.TIMELINES_ANOMALIES, executor.ITEMS_ANOMALIES}
    assert set(component.outputs) == {executor.REPORT}
