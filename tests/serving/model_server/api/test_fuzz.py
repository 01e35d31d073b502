"""Mutated requests to a server of its own process: each has a documented answer, and others go on."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from support.models import conformance_models
from support.models.conformance_models import CLASSIFY, ECHO, HALF, REGRESS, TYPES
from support.servers.model_servers import OUR_COMMAND, Server, outputs_of, predict_request, start
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    regression_pb2,
)

from serving.protocol import error_body

# Of docs/reference/tensorflow-serving.md; HTTP's own statuses are those of requests that are no HTTP.
STATUSES = {200, 400, 401, 403, 404, 408, 409, 413, 429, 499, 500, 501, 503, 504}
# What a fuzzed request must never end with: a bug of ours.
BUGS = {500}
# Valid requests go in between after so many mutated ones.
EVERY = 20
SERVICE = "/tensorflow.serving.PredictionService/"
MODELS = "/tensorflow.serving.ModelService/"

VALUES = [
    *[b"", b"0", b"-1", b"1e999", b"NaN", b"-Infinity", b"18446744073709551616", b"null", b"true", b"[]"],
    *[b"{}", b"[[]]", b'"', b'"\\ud800"', b'{"b64": "%"}', b"\xff\xfe", b"\x00", b"1" * 400, b"[" * 2000],
]
BODIES = [
    b'{"instances": [1.0, 2.5, -3]}',
    b'{"instances": [[1, 2], [3, 4]]}',
    b'{"instances": [{"x": 1.0}, {"x": 2.0}]}',
    b'{"inputs": {"x": [[1.5]]}, "signature_name": "serving_default"}',
    b'{"signature_name": "two", "instances": [{"a": 1.5, "b": 2}]}',
    b'{"instances": ["text", {"b64": "YWJj"}]}',
    b'{"signature_name": "bytes", "inputs": {"text": {"b64": "/w=="}}}',
    b'{"signature_name": "checked", "inputs": [1, 2, 3]}',
    b'{"signature_name": "regress_x_to_y", "context": {"x": 1.5}, "examples": [{"x": 1.0}, {}]}',
    b'{"signature_name": "classify_labels", "examples": [{"x": [1.0]}, {"y": "a"}]}',
    *[b'{"signature_name": "identity_%s", "inputs": [[1, 2], [3, 4]]}' % name.encode() for name in TYPES],
]
PATHS = [
    f"/v1/models/{model}{place}{end}"
    for model in (HALF, ECHO, "m")
    for place in ("", "/versions/1", "/labels/stable")
    for end in (":predict", ":classify", ":regress", "", "/metadata")
] + ["/v1/models", "/monitoring/prometheus/metrics", "/openapi.json", "/"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    conformance_models.write(folder)
    flags = [flag.format(folder) for flag in conformance_models.FLAGS]
    found = start(OUR_COMMAND, flags, folder)
    yield found
    assert found.stop() == 0
    assert "Traceback" not in found.output, found.output


def mutated(random_: random.Random, data: bytes) -> bytes:
    """A few bytes changed, cut, repeated or replaced by what parsers stumble over."""
    out = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 5))):
        at = random_.randrange(len(out) + 1)
        end = min(len(out), at + random_.choice((1, 1, 2, 4, 16)))
        what = random_.randrange(6)
        if what == 0:
            out[at:end] = random_.randbytes(end - at)
        elif what == 1:
            del out[at:end]
        elif what == 2:
            out[at:at] = out[at:end] * random_.choice((1, 2, 50))
        elif what == 3:
            out[at:end] = random_.choice(VALUES)
        elif what == 4 and at < len(out):
            out[at] ^= 1 << random_.randrange(8)
        else:
            del out[at:]
    return bytes(out)


def fuzz_rest(server: Server, count: int, seed: int) -> dict[int, int]:
    """How often each status came."""
    random_ = random.Random(seed)
    assert server.rest is not None
    connection = http.client.HTTPConnection(server.rest, timeout=60)
    statuses: dict[int, int] = {}
    for number in range(count):
        path = random_.choice(PATHS)
        method = "POST" if path.endswith(("predict", "classify", "regress")) else "GET"
        if random_.random() < 0.1:
            method = random_.choice(("GET", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"))
        if random_.random() < 0.2:
            raw = mutated(random_, path.encode()).translate(None, b"\r\n \x00\x7f")
            path = "/" + "".join(chr(byte) for byte in raw if 0x21 <= byte < 0x7F)
        body = mutated(random_, random_.choice(BODIES)) if method == "POST" else None
        headers = {"Content-Encoding": "gzip"} if random_.random() < 0.02 else {}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        except (http.client.HTTPException, ConnectionError):
            # Closed after an error, as HTTP allows; it must answer anew.
            connection.close()
            continue
        finally:
            if number % EVERY == 0:
                rest_is_well(server)
        statuses[response.status] = statuses.get(response.status, 0) + 1
        assert response.status in STATUSES - BUGS, (method, path, body, response.status, text)
        if response.status != 200 and method != "HEAD" and "json" in response.headers["Content-Type"]:
            assert list(json.loads(text)) == error_body.SCHEMA["required"], (method, path, body, text)
    connection.close()
    return statuses


def rest_is_well(server: Server) -> None:
    found = server.http("POST", f"/v1/models/{HALF}:predict", {"instances": [1.0]})
    assert (found.status, found.json) == (200, {"predictions": [3.5]})


def messages() -> list[tuple[str, Message]]:
    """Valid requests by method."""
    found: list[tuple[str, Message]] = [
        (SERVICE + "Predict", predict_request(HALF, {"x": [1.0, 2.0]}, version=1)),
        (SERVICE + "Predict", predict_request(HALF, {"x": [[1.0]]}, label="stable", outputs=["y"])),
        (SERVICE + "Predict", predict_request(ECHO, {"text": [b"a", b"bc"]})),
        (SERVICE + "Predict", predict_request(ECHO, {"a": [1.5], "b": [2]}, "two")),
        (SERVICE + "Predict", predict_request(ECHO, {"x": [1.0, 2.0]}, "checked")),
    ]
    regress = regression_pb2.RegressionRequest()
    regress.input.example_list.examples.add().features.feature["x"].float_list.value.append(1)
    regress.model_spec.name, regress.model_spec.signature_name = HALF, "regress_x_to_y"
    classify = classification_pb2.ClassificationRequest(input=regress.input)
    classify.model_spec.name, classify.model_spec.signature_name = HALF, "classify_labels"
    multi = inference_pb2.MultiInferenceRequest(input=regress.input)
    multi.tasks.add(model_spec=regress.model_spec, method_name=REGRESS)
    multi.tasks.add(model_spec=classify.model_spec, method_name=CLASSIFY)
    multi.tasks[1].model_spec.signature_name = "classify_x_to_y"
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = HALF
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = HALF
    return [
        *found,
        (SERVICE + "Regress", regress),
        (SERVICE + "Classify", classify),
        (SERVICE + "MultiInference", multi),
        (SERVICE + "GetModelMetadata", metadata),
        (MODELS + "GetModelStatus", status),
        (MODELS + "HandleReloadConfigRequest", status),
    ]


def fuzz_grpc(server: Server, count: int, seed: int) -> dict[grpc.StatusCode, int]:
    """How often each status came."""
    random_ = random.Random(seed)
    calls = [(server.channel.unary_unary(path), message.SerializeToString()) for path, message in messages()]
    statuses: dict[grpc.StatusCode, int] = {}
    for number in range(count):
        call, raw = random_.choice(calls)
        body = mutated(random_, raw)
        try:
            call(body, timeout=60)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
            assert code is not grpc.StatusCode.INTERNAL, (body, error)
            assert code is not grpc.StatusCode.UNKNOWN, (body, error)
            assert code is not grpc.StatusCode.DEADLINE_EXCEEDED, (body, error)
        statuses[code] = statuses.get(code, 0) + 1
        if number % EVERY == 0:
            assert outputs_of(server.predict(HALF, {"x": [1.0]}))["y"] == [3.5]
    return statuses


def check(server: Server, rest: int, grpc_: int, seed: int) -> None:
    before = server.process.pid
    by_status = fuzz_rest(server, rest, seed)
    by_code = fuzz_grpc(server, grpc_, seed)
    # The mutations reach the models as well as the checks.
    assert by_status[200] > rest / 50
    assert by_status[400] > rest / 10
    assert by_code[grpc.StatusCode.OK] > grpc_ / 50
    assert by_code[grpc.StatusCode.INVALID_ARGUMENT] > grpc_ / 10
    assert server.alive
    assert server.process.pid == before


@pytest.mark.parametrize("seed", [1])
def test_mutated_requests_are_answered(server: Server, seed: int) -> None:
    check(server, 2500, 2500, seed)


@pytest.mark.nightly("serving/model_server", "serving/protocol")
@pytest.mark.parametrize("seed", range(10, 14))
def test_many_mutated_requests_are_answered(server: Server, seed: int) -> None:
    check(server, 12_500, 12_500, seed)
