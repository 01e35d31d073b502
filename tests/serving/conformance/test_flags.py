"""What a server does by its flags, files and environment, on servers started here."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.models.conformance_models import ECHO, HALF
from support.servers import certificates
from support.servers.model_servers import Server, Target, outputs_of, predict_request, refusal
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc

pytestmark = pytest.mark.long

StartServer = Callable[..., Server]


def one_model(models: Path, name: str) -> list[str]:
    return [f"--model_name={name}", f"--model_base_path={models / name}"]


def burn(server: Target, steps: int) -> grpc.Future:
    request = predict_request(ECHO, {"steps": np.int32([steps])}, "slow")
    return server.predictions.Predict.future(request, timeout=60)


def test_the_image_s_environment_names_the_model(
    start_server: StartServer, models: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--server-command", default=None):
        pytest.skip("the environment is read by TensorFlow Serving's image, not by its binary")
    server = start_server(environment={"MODEL_NAME": HALF, "MODEL_BASE_PATH": str(models)})
    assert server.available(HALF, 2)


@pytest.fixture(scope="module")
def batching(start_server: StartServer, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Batches of up to 4 wait 300 ms; one runs and one may wait; REST has 1 s."""
    file = tmp_path_factory.mktemp("batching") / "batching.config"
    file.write_text(
        "max_batch_size { value: 4 } batch_timeout_micros { value: 300000 } "
        "max_enqueued_batches { value: 1 } num_batch_threads { value: 1 } "
        'thread_pool_name { value: "pool" } allowed_batch_sizes: 2 allowed_batch_sizes: 4 '
        "pad_variable_length_inputs: true"
    )
    return start_server(
        *one_model(models, ECHO),
        "--enable_batching=true",
        f"--batching_parameters_file={file}",
        "--rest_api_timeout_in_ms=1000",
    )


def test_batched_requests_get_their_own_rows(batching: Server) -> None:
    calls = [
        batching.predictions.Predict.future(
            predict_request(ECHO, {"x": np.int64([[n, n + 1]])}, "identity_int64"), timeout=60
        )
        for n in range(4)
    ]
    assert [outputs_of(call.result())["y"].tolist() for call in calls] == [[[n, n + 1]] for n in range(4)]


def test_padding_repeats_the_tensors_own_first_element(batching: Server) -> None:
    narrow, wide = (
        batching.predictions.Predict.future(
            predict_request(ECHO, {"x": np.int64([row, row])}, "identity_int64"), timeout=60
        )
        for row in ([7, 8], [1, 2, 3])
    )
    assert outputs_of(wide.result())["y"].tolist() == [[1, 2, 3]] * 2
    assert outputs_of(narrow.result())["y"].tolist() == [[7, 8, 7]] * 2


def test_inputs_without_a_batch_dimension_are_refused_or_run_alone(batching: Server) -> None:
    try:
        response = batching.predict(ECHO, {"x": np.float32(1)}, "identity_float32")
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    else:
        assert outputs_of(response)["y"] == 1


def test_a_full_queue_is_unavailable(batching: Server) -> None:
    calls = [burn(batching, 300) for _ in range(40)]
    codes = {call.code() for call in calls}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    found = batching.http("POST", f"/v1/models/{ECHO}:predict", {"instances": ["a"]})
    assert found.json == {"predictions": ["a"]}


def test_rest_keeps_its_time_limit(batching: Server) -> None:
    body = {"signature_name": "slow", "instances": [10000]}
    found = batching.http("POST", f"/v1/models/{ECHO}:predict", body)
    assert found.status == 504
    assert found.error


def test_metrics_have_tensorflow_servings_names(rest: Target) -> None:
    rest.predict(HALF, {"x": [1.0]})
    rest.http("POST", f"/v1/models/{HALF}:predict", {"instances": [1.0]})
    found = rest.http("GET", "/monitoring/prometheus/metrics")
    assert found.status == 200
    assert found.headers["Content-Type"].startswith("text/plain")
    text = found.body.decode()
    assert f':tensorflow:serving:request_count{{model_name="{HALF}",status="OK"}}' in text
    for entrypoint in ("GRPC", "REST"):
        labels = f'model_name="{HALF}",API="Predict",entrypoint="{entrypoint}"'
        assert f":tensorflow:serving:request_latency_count{{{labels}}}" in text
        bounds = [line for line in text.splitlines() if "request_latency_bucket{" + labels in line]
        assert len(bounds) == 34
        assert 'le="10"' in bounds[0]
        assert 'le="18"' in bounds[1]
        assert 'le="+Inf"' in bounds[-1]
    assert ":tensorflow:serving:runtime_latency_bucket" in text


def test_the_metrics_path_is_configured(start_server: StartServer, models: Path, tmp_path: Path) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text('prometheus_config { enable: true path: "/metrics" }')
    server = start_server(*one_model(models, HALF), f"--monitoring_config_file={file}")
    assert server.http("GET", "/metrics").status == 200
    assert server.http("GET", "/monitoring/prometheus/metrics").status == 404
    # Without its flag there is no health service.
    stub = health_pb2_grpc.HealthStub(server.channel)
    code, _ = refusal(lambda: stub.Check(health_pb2.HealthCheckRequest(), timeout=60))
    assert code is grpc.StatusCode.UNIMPLEMENTED


def copied(models: Path, folder: Path, log: prediction_log_pb2.PredictionLog) -> Path:
    """A copy of a model with one warm-up request."""
    base = folder / HALF
    shutil.copytree(models / HALF / "1", base / "1")
    extra = base / "1" / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())
    return base


def predict_log(**inputs: Any) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(HALF, inputs))
    return log


def test_warm_up_requests_are_replayed_before_a_version_is_served(
    start_server: StartServer, models: Path, tmp_path: Path
) -> None:
    base = copied(models, tmp_path / "good", predict_log(x=[1.0]))
    server = start_server(f"--model_name={HALF}", f"--model_base_path={base}")
    assert server.available(HALF, 1)
    counted = server.http("GET", "/monitoring/prometheus/metrics").body.decode()
    assert ":tensorflow:serving:model_warmup_latency" in counted
    assert f':tensorflow:serving:model_warmup_records_read{{model_path="{base}/1"}} 1\n' in counted


def test_a_version_without_warm_up_requests_is_not_counted(start_server: StartServer, models: Path) -> None:
    server = start_server(*one_model(models, HALF))
    assert "model_warmup" not in server.http("GET", "/monitoring/prometheus/metrics").body.decode()
    # Nor does it need the flag to answer OPTIONS, as browsers send it.
    assert server.http("OPTIONS", f"/v1/models/{HALF}:predict").status == 200


def test_a_failing_warm_up_request_fails_the_load(
    start_server: StartServer, models: Path, tmp_path: Path
) -> None:
    base = copied(models, tmp_path / "bad", predict_log(z=[1.0]))
    server = start_server(
        f"--model_name={HALF}", f"--model_base_path={base}", "--max_num_load_retries=0", wait=False
    )
    assert server.process.wait(120) != 0
    assert HALF in server.output


def test_tls_is_asked_for_by_a_file(start_server: StartServer, models: Path, tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path)
    pair = authority.issue("localhost")
    file = tmp_path / "ssl.config"
    fields = {"server_key": pair.key, "server_cert": pair.certificate}
    file.write_text(
        "".join(f"{name}: {json.dumps(Path(path).read_text())}\n" for name, path in fields.items())
    )
    server = start_server(*one_model(models, HALF), f"--ssl_config_file={file}")
    credentials = grpc.ssl_channel_credentials(Path(authority.ca).read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost")]
    with grpc.secure_channel(server.grpc, credentials, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(predict_request(HALF, {"x": [1.0]}), timeout=60)
    assert outputs_of(response)["y"] == [3.5]
    code, _ = refusal(lambda: server.predict(HALF, {"x": [1.0]}, timeout=5))
    assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_grpc_answers_on_a_unix_socket_too(
    start_server: StartServer, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    socket = tmp_path_factory.mktemp("s") / "grpc"
    server = start_server(*one_model(models, HALF), f"--grpc_socket_path={socket}")
    for address in (f"unix:{socket}", server.grpc):
        assert outputs_of(Target(address, None).predict(HALF, {"x": [1.0]}))["y"] == [3.5]


def test_requests_are_logged_by_the_config(start_server: StartServer, models: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "requests"
    file = tmp_path / "models.config"
    file.write_text(
        f'model_config_list {{ config {{ name: "{HALF}" base_path: "{models / HALF}" '
        'model_platform: "tensorflow" logging_config { '
        f'log_collector_config {{ type: "" filename_prefix: "{prefix}" }} '
        "sampling_config { sampling_rate: 1.0 } } } }"
    )
    server = start_server(f"--model_config_file={file}")
    server.predict(HALF, {"x": [1.25]})
    server.stop()
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for found in sorted(tmp_path.glob("requests*"))
        for record in tf.data.TFRecordDataset(str(found))
    ]
    (logged,) = logs
    assert tf.make_ndarray(logged.predict_log.request.inputs["x"]) == [1.25]
    assert tf.make_ndarray(logged.predict_log.response.outputs["y"]) == [3.625]


def test_cors_headers_are_sent_if_asked_for(start_server: StartServer, models: Path) -> None:
    server = start_server(*one_model(models, HALF), "--rest_api_enable_cors_support=true")
    found = server.http("POST", f"/v1/models/{HALF}:predict", {"instances": [1.0]})
    assert found.headers["Access-Control-Allow-Origin"] == "*"
    path = f"/v1/models/{HALF}:predict"
    for origin, status in {"http://a.test": 200, "https://a.test": 200, "file://a": 400, "": 400}.items():
        headers = {"Origin": origin} if origin else {}
        assert server.http("OPTIONS", path, headers=headers).status == status


def test_tensor_content_is_sent_if_asked_for(start_server: StartServer, models: Path) -> None:
    server = start_server(*one_model(models, HALF), "--enable_serialization_as_tensor_content=true")
    response = server.predict(HALF, {"x": [1.0, 2.0]})
    assert len(response.outputs["y"].tensor_content) == 8
    assert outputs_of(response)["y"].tolist() == [3.5, 4.0]


def test_a_server_without_models_ends_with_an_error(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(wait=False)
    assert server.process.wait(120) != 0


def test_a_config_file_that_is_none_ends_the_server(start_server: StartServer, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text("model_config_list { config { no_such_field: 1 } }")
    server = start_server(f"--model_config_file={file}", wait=False)
    assert server.process.wait(120) != 0
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in server.output


def test_sigterm_ends_the_server_with_its_requests_answered(start_server: StartServer, models: Path) -> None:
    server = start_server(*one_model(models, ECHO))
    server.predict(ECHO, {"text": ["connected"]})
    call = burn(server, 2000)
    server.predict(ECHO, {"text": ["behind it on the same connection"]})
    server.process.terminate()
    assert outputs_of(call.result())["steps"] == [2000]
    assert server.process.wait(60) == 0


def test_bytes_reach_the_model_as_they_are(rest: Target) -> None:
    raw = bytes(range(256))
    body = {"signature_name": "bytes", "instances": [{"b64": base64.b64encode(raw).decode()}]}
    (found,) = rest.http("POST", f"/v1/models/{ECHO}:predict", body).json["predictions"]
    assert base64.b64decode(found["b64"]) == raw
