from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, inference_pb2, input_pb2, prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

import contract
from serving.model_server.execution.requests import Prediction
from serving.model_server.observe import request_log
from serving.model_server.observe.request_log import RequestLog
from serving.protocol.errors import Code, StatusError

PREDICTION = Prediction("m", 7, "serving_default", {"scores": np.array([[0.5]], np.float32)})


def config(prefix: Path, rate: float = 1.0, kind: str = "") -> model_server_config_pb2.ModelServerConfig:
    found = model_server_config_pb2.ModelServerConfig()
    model = found.model_config_list.config.add(name="m")
    model.logging_config.sampling_config.sampling_rate = rate
    model.logging_config.log_collector_config.type = kind
    model.logging_config.log_collector_config.filename_prefix = str(prefix)
    found.model_config_list.config.add(name="unlogged")
    return found


def records(folder: Path) -> list[prediction_log_pb2.PredictionLog]:
    files = sorted(str(file) for file in folder.glob("log.m.*.tfrecord"))
    return [
        prediction_log_pb2.PredictionLog.FromString(record)
        for file in files
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator()
    ]


def person(user: str, **more: float) -> tf.train.Example:
    features = {name: tf.train.Feature(float_list=tf.train.FloatList(value=[v])) for name, v in more.items()}
    features[contract.USER_ID] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[user.encode()]))
    return tf.train.Example(features=tf.train.Features(feature=features))


def test_a_request_is_logged_without_who_asked(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "new" / "log"))
    inputs = {
        contract.USER_ID: np.array([b"alice"], object),
        contract.HISTORY_ITEM_IDS: np.array([[b"1", b"2"]], object),
        contract.EXAMPLES: np.array([person("alice", x=1).SerializeToString(), b"\xff text"], object),
    }
    log.predicted(PREDICTION, inputs, ["scores"])
    log.predicted(Prediction("unlogged", 1, "s", {}), inputs, ())
    log.close()
    (found,) = records(tmp_path / "new")
    request = found.predict_log.request
    assert request.model_spec.version.value == 7
    assert list(request.output_filter) == ["scores"]
    assert list(request.inputs[contract.USER_ID].string_val) == [contract.PAD_ID]
    assert list(request.inputs[contract.HISTORY_ITEM_IDS].string_val) == [b"1", b"2"]
    kept = tf.train.Example.FromString(request.inputs[contract.EXAMPLES].string_val[0])
    assert list(kept.features.feature) == ["x"]
    assert request.inputs[contract.EXAMPLES].string_val[1] == b"\xff text"
    assert list(found.predict_log.response.outputs["scores"].float_val) == [0.5]
    assert found.log_metadata.model_spec.name == "m"
    assert b"alice" not in b"".join(file.read_bytes() for file in (tmp_path / "new").iterdir())
    # The request itself is as it was.
    assert inputs[contract.USER_ID].tolist() == [b"alice"]
    assert (log.written, log.dropped) == (1, 0)


def test_times_are_kept_to_the_day_and_columns_of_users_not_at_all(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    seconds = [1_700_000_123, 0, 86_399]
    example = person("alice", user_age=42, x=1)
    example.features.feature[contract.HISTORY_TIMESTAMPS].int64_list.value.extend(seconds)
    inputs = {
        contract.HISTORY_TIMESTAMPS: np.array([seconds], np.int64),
        contract.NOW: np.array([1_700_000_456], np.int64),
        contract.EXAMPLES: np.array([example.SerializeToString()], object),
    }
    log.predicted(PREDICTION, inputs, ())
    log.close()
    (found,) = records(tmp_path)
    kept = found.predict_log.request.inputs
    days = [1_699_920_000, 0, 0]
    assert list(kept[contract.HISTORY_TIMESTAMPS].int64_val) == days
    assert list(kept[contract.NOW].int64_val) == [1_699_920_000]
    features = tf.train.Example.FromString(kept[contract.EXAMPLES].string_val[0]).features.feature
    assert set(features) == {"x", contract.HISTORY_TIMESTAMPS}
    assert list(features[contract.HISTORY_TIMESTAMPS].int64_list.value) == days
    assert inputs[contract.HISTORY_TIMESTAMPS].tolist() == [seconds]  # the request is as it was


def test_the_files_of_a_process_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MAX_FILE_BYTES", 200)
    monkeypatch.setattr(request_log, "MAX_FILES", 3)
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    for _ in range(10):
        log.predicted(PREDICTION, {"x": np.zeros(40, np.float32)}, ())
    log.close()
    assert len(list(tmp_path.iterdir())) == len(records(tmp_path)) == 3
    assert (log.written, log.dropped) == (10, 0)


def test_examples_are_logged_without_who_asked(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "log", kind="file"))
    given = input_pb2.Input()
    given.example_list_with_context.context.CopyFrom(person("alice", c=1))
    given.example_list_with_context.examples.append(person("bob", x=2))
    request = inference_pb2.MultiInferenceRequest(input=given)
    request.tasks.add().model_spec.name = "m"
    log.answered("classify_log", "m", given, classification_pb2.ClassificationResponse())
    log.inferred("m", request, inference_pb2.MultiInferenceResponse())
    log.close()
    found = records(tmp_path)
    assert [record.WhichOneof("log_type") for record in found] == ["classify_log", "multi_inference_log"]
    assert found[0].classify_log.request.input.example_list_with_context.examples[0].features.feature["x"]
    assert not any(b"alice" in record.SerializeToString() for record in found)
    assert not any(b"bob" in record.SerializeToString() for record in found)
    assert given.example_list_with_context.examples[0] == person("bob", x=2)


def test_only_a_sample_is_logged(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "log", rate=0.25))
    for _ in range(600):
        log.predicted(PREDICTION, {}, ())
    log.close()
    assert 90 < len(records(tmp_path)) + log.dropped < 220


def test_rate_0_and_a_config_without_logging_stop_it(tmp_path: Path) -> None:
    log = RequestLog()
    for now in (config(tmp_path / "log", rate=0), model_server_config_pb2.ModelServerConfig()):
        log.configure(config(tmp_path / "log"))
        log.configure(now)
        log.predicted(PREDICTION, {}, ())
    log.close()
    assert not records(tmp_path)


def test_a_new_prefix_takes_effect(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "a" / "log"))
    log.predicted(PREDICTION, {}, ())
    while not log.written:
        threading.Event().wait(0.01)
    log.configure(config(tmp_path / "b" / "log"))
    log.predicted(PREDICTION, {}, ())
    log.close()
    assert len(records(tmp_path / "a")) == len(records(tmp_path / "b")) == 1


def test_when_the_writer_cannot_keep_up_records_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = threading.Event()
    append = RequestLog._append

    def slow(self: RequestLog, *record: Any) -> None:
        stuck.wait()
        append(self, *record)

    monkeypatch.setattr(RequestLog, "_append", slow)
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    asked = request_log.MAX_WAITING + 50
    for _ in range(asked):
        log.predicted(PREDICTION, {}, ())
    assert 49 <= log.dropped <= 50
    assert "records dropped" in caplog.text
    stuck.set()
    log.close()
    assert log.written + log.dropped == asked
    assert len(records(tmp_path)) == log.written


def test_a_disk_that_refuses_costs_records_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    log = RequestLog()
    log.configure(config(tmp_path / "file" / "log"))
    log.predicted(PREDICTION, {}, ())
    log.close()
    assert (log.written, log.dropped) == (0, 1)


def test_a_record_that_cannot_be_made_ends_no_other(tmp_path: Path) -> None:
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    no_tensor = np.array(["2020-01-01"], "datetime64[s]")
    log.predicted(Prediction("m", 7, "serving_default", {"when": no_tensor}), {}, ())
    log.predicted(PREDICTION, {}, ())
    log.close()
    assert (log.written, log.dropped) == (1, 1)
    assert len(records(tmp_path)) == 1


@pytest.mark.parametrize("asked", [1, request_log.MAX_WAITING + 10])
def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, asked: int
) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(RequestLog, "_append", lambda *_: hanging.wait())
    monkeypatch.setattr(request_log, "_CLOSE_SECONDS", 0.05)
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    for _ in range(asked):
        log.predicted(PREDICTION, {}, ())
    log.close()
    assert "its files do not take records any more" in caplog.text
    hanging.set()


def test_files_do_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MAX_FILE_BYTES", 200)
    log = RequestLog()
    log.configure(config(tmp_path / "log"))
    for _ in range(10):
        log.predicted(PREDICTION, {}, ())
    log.close()
    files = list(tmp_path.iterdir())
    assert 2 < len(files) <= request_log.MAX_FILES
    assert len(records(tmp_path)) == len(files) and log.written == 10


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        (config(Path("p"), rate=1.5), Code.INVALID_ARGUMENT, "between 0 and 1, got 1.5"),
        (
            config(Path("p"), kind="kafka"),
            Code.NOT_FOUND,
            "Cannot find LogCollector::Factory for type: kafka",
        ),
    ],
)
def test_a_config_that_cannot_be_followed_is_refused(
    wrong: model_server_config_pb2.ModelServerConfig, code: Code, text: str
) -> None:
    with pytest.raises(StatusError, match=text) as error:
        RequestLog().configure(wrong)
    assert error.value.code is code


def test_a_prefix_is_needed() -> None:
    wrong = config(Path("p"))
    wrong.model_config_list.config[0].logging_config.log_collector_config.filename_prefix = ""
    with pytest.raises(StatusError, match=r"Model m: .* needs a filename_prefix"):
        RequestLog().configure(wrong)
