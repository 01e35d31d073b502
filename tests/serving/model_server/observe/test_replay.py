from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.models import conformance_models, tiny_models
from tensorflow_serving.apis import prediction_log_pb2

from serving.model_server.execution.runtime import Model
from serving.model_server.versions.warmup import MAX_RECORDS, replay_warmup
from serving.protocol.errors import Code, StatusError

GOOD = tiny_models.predict_log("serving_default", x=np.ones(2, np.float32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    conformance_models.half_plus(tmp_path / "1", 2.0)
    return tmp_path / "1"


def test_every_kind_of_record_is_answered(path: Path) -> None:
    logs = [GOOD, prediction_log_pb2.PredictionLog()]
    for kind, signature in (("classify_log", "classify_labels"), ("regress_log", "regress_x_to_y")):
        log = prediction_log_pb2.PredictionLog()
        request = getattr(log, kind).request
        request.model_spec.signature_name = signature
        request.input.example_list.examples.add()
        logs.append(log)
    log = prediction_log_pb2.PredictionLog()
    log.multi_inference_log.request.input.example_list.examples.add()
    task = log.multi_inference_log.request.tasks.add(method_name=conformance_models.REGRESS)
    task.model_spec.name, task.model_spec.signature_name = "half", "regress_x_to_y"
    tiny_models.write_warmup(path, [*logs, log])
    assert replay_warmup(Model.load(str(path)), str(path), iterations=2) == 5


def test_without_warm_up_requests_there_is_nothing_to_do(path: Path) -> None:
    assert replay_warmup(Model.load(str(path)), str(path)) == 0


@pytest.mark.parametrize(
    ("record", "code", "text"),
    [
        (tiny_models.predict_log("no", x=np.ones(1)), Code.FAILED_PRECONDITION, 'key "no" not found'),
        (tiny_models.predict_log("serving_default", z=np.ones(1)), Code.INVALID_ARGUMENT, "alias: x"),
        (b"\xff no message", Code.INVALID_ARGUMENT, "Failed to parse warmup record 2"),
        (
            prediction_log_pb2.PredictionLog(session_run_log=prediction_log_pb2.SessionRunLog()),
            Code.UNIMPLEMENTED,
            "Unsupported log_type",
        ),
    ],
)
def test_a_record_that_fails_is_named(
    path: Path, record: prediction_log_pb2.PredictionLog | bytes, code: Code, text: str
) -> None:
    tiny_models.write_warmup(path, [GOOD, record])
    with pytest.raises(StatusError, match=text) as error:
        replay_warmup(Model.load(str(path)), str(path))
    assert error.value.code is code
    assert "record 2" in error.value.message


def test_a_record_that_the_graph_refuses(tmp_path: Path) -> None:
    conformance_models.echo(tmp_path / "1")
    tiny_models.write_warmup(tmp_path / "1", [tiny_models.predict_log("checked", x=np.float32([-1]))])
    with pytest.raises(StatusError, match=r"record 1 .*x must not be negative"):
        replay_warmup(Model.load(str(tmp_path / "1")), str(tmp_path / "1"))


def test_at_most_a_thousand_records_and_no_torn_file(path: Path) -> None:
    model = Model.load(str(path))
    tiny_models.write_warmup(path, [GOOD] * MAX_RECORDS)
    assert replay_warmup(model, str(path)) == MAX_RECORDS
    tiny_models.write_warmup(path, [GOOD] * (MAX_RECORDS + 1))
    with pytest.raises(StatusError, match=r"exceeds the maximum \(1000\)"):
        replay_warmup(model, str(path))
    file = path / "assets.extra" / "tf_serving_warmup_requests"
    for torn in (file.read_bytes()[:-5], b"this is not a file of records"):
        file.write_bytes(torn)
        with pytest.raises(StatusError, match="verify your warmup data is in TFRecord format") as error:
            replay_warmup(model, str(path))
        assert error.value.code is Code.DATA_LOSS
    assert tf.errors.DATA_LOSS == Code.DATA_LOSS
