"""The server as a process: start, TLS, sockets, drain, errors at the start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from support.models import conformance_models
from support.servers.certificates import Authority
from support.servers.model_servers import (
    Server,
    Target,
    outputs_of,
    predict_request,
    refusal,
    start,
    wait_until,
)
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.harness.ports import free_port

pytestmark = pytest.mark.long

COMMAND = (sys.executable, "-m", "serving.model_server")
PutVersion = Callable[..., Path]
X = {"x": tf.constant([2.0])}


@pytest.fixture
def models(tmp_path: Path, put_version: PutVersion) -> Path:
    put_version(tmp_path / "half", 1)
    return tmp_path / "half"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def begin(*flags: str, wait: bool = True, **environment: str) -> Server:
        folder = tmp_path / f"server {len(started)}"
        folder.mkdir()
        server = start((*COMMAND, "--host=127.0.0.1"), flags, folder, wait, environment)
        started.append(server)
        return server

    yield begin
    for server in started:
        if server.alive:
            server.stop()


def y(response: predict_pb2.PredictResponse) -> list[float]:
    return outputs_of(response)["y"].tolist()


def test_start_says_what_is_served_where_and_what_it_took(
    run: Callable[..., Server], models: Path, tmp_path: Path
) -> None:
    server = run(
        f"--grpc_socket_path={tmp_path / 's'}",
        "--grpc_max_message_bytes=100000",
        MODEL_NAME="half",
        MODEL_BASE_PATH=str(tmp_path),
    )
    printed = server.output
    for line in (
        "model  half  version 1",
        f"gRPC   {server.grpc}",
        f"gRPC   unix:{tmp_path / 's'}",
        f"REST   http://{server.rest}/v1/models/NAME",
    ):
        assert line in printed.splitlines()
    assert "ready  " in printed and " MiB" in printed
    assert len(printed.splitlines()) < 15, printed
    assert y(server.predict("half", X)) == [3.0]
    assert y(Target(f"unix:{tmp_path / 's'}", None).predict("half", X)) == [3.0]
    # A message is bounded before it is read: 2 GiB of it would be memory that the process has not.
    code, _ = refusal(lambda: server.predict("half", {"x": tf.zeros([25_000])}))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = server.http("GET", "/v1/models/half").json
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert server.stop() == 0


def test_what_the_server_writes_is_for_owner_and_group_alone(
    run: Callable[..., Server], models: Path, tmp_path: Path
) -> None:
    log = tmp_path / "access.jsonl"
    before = os.umask(0)
    try:
        server = run("--model_name=half", f"--model_base_path={models}", "--workers=2", f"--access_log={log}")
    finally:
        os.umask(before)
    server.predict("half", X)
    parent = psutil.Process(server.process.pid)
    for process in (parent, *parent.children()):
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Umask:\t0027" in status.splitlines(), process
    wait_until(lambda: any(log.parent.glob("access*")), 30)
    for written in log.parent.glob("access*"):
        assert written.stat().st_mode & 0o027 == 0, written


def with_health(run: Callable[..., Server], folder: Path) -> Server:
    """A server of the model `echo` with gRPC's health service."""
    conformance_models.echo(folder / "echo" / "1")
    return run(
        "--model_name=echo", f"--model_base_path={folder / 'echo'}", "--enable_grpc_healthcheck_service"
    )


def test_probes_are_answered_while_streams_hold_every_thread(
    run: Callable[..., Server], tmp_path: Path
) -> None:
    """A stream of reflection that says nothing holds a thread for as long as its client likes."""
    server = with_health(run, tmp_path)
    end = threading.Event()

    def nothing() -> Iterator[bytes]:
        end.wait()
        yield from ()

    with grpc.insecure_channel(server.grpc) as channel:
        reflect = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
        streams = [reflect(nothing()) for _ in range(40)]
        health = health_pb2_grpc.HealthStub(server.channel)
        time.sleep(1.0)  # for the streams to begin
        found = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert found.status == health_pb2.HealthCheckResponse.SERVING
        end.set()
        for stream in streams:
            stream.cancel()
    assert server.stop() == 0


def test_sigterm_answers_what_is_under_way_and_takes_nothing_new(
    run: Callable[..., Server], tmp_path: Path
) -> None:
    server = with_health(run, tmp_path)
    health = health_pb2_grpc.HealthStub(server.channel)
    assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
    watched = health.Watch(health_pb2.HealthCheckRequest(service="PredictionService"))
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    steps = {"steps": tf.constant([8000])}
    pending = server.predictions.Predict.future(predict_request("echo", steps, "slow"), timeout=60)
    rest_answers = []
    body = {"instances": [8000], "signature_name": "slow"}
    rest = threading.Thread(
        target=lambda: rest_answers.append(server.http("POST", "/v1/models/echo:predict", body))
    )
    rest.start()
    time.sleep(0.5)
    assert not pending.done()
    server.process.send_signal(signal.SIGTERM)
    assert next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
    wait_until(lambda: not accepts(server.rest), 10)
    assert not pending.done()
    with pytest.raises(grpc.RpcError) as error, grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(predict_request("echo", {"text": "late"}), timeout=5)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    assert outputs_of(pending.result())["steps"].tolist() == [8000]
    rest.join(60)
    assert rest_answers[0].json == {"predictions": [8000]}
    assert server.process.wait(30) == 0


def accepts(address: str | None) -> bool:
    assert address is not None
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def test_what_outlives_the_grace_period_is_cut_off(run: Callable[..., Server], tmp_path: Path) -> None:
    conformance_models.echo(tmp_path / "echo" / "1")
    server = run(
        "--model_name=echo", f"--model_base_path={tmp_path / 'echo'}", "--shutdown_grace_seconds=0.5"
    )
    steps = {"steps": tf.constant([20_000])}
    pending = server.predictions.Predict.future(predict_request("echo", steps, "slow"))
    time.sleep(0.5)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert pending.exception().code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_a_missing_model_is_waited_for_with_closed_ports(
    run: Callable[..., Server], tmp_path: Path, put_version: PutVersion
) -> None:
    server = run("--model_name=m", f"--model_base_path={tmp_path / 'm'}", wait=False)
    wait_until(lambda: "waiting for it" in server.output, 60)
    assert f"cannot look into {tmp_path}/m: No such file or directory" in server.output
    assert not accepts(server.rest)
    assert not accepts(server.grpc)
    # Another server of ours cannot take its ports meanwhile.
    port = server.grpc.split(":")[1]
    second = subprocess.run(
        [*COMMAND, f"--port={port}", "--rest_api_port=0", f"--model_base_path={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (second.returncode, second.stdout) == (1, "")
    assert f"error: port {port} is in use by another process; stop it or give another --port" in second.stderr
    put_version(tmp_path / "m", 4)
    wait_until(lambda: accepts(server.rest), 60, lambda: server.output)
    assert y(server.predict("m", X)) == [3.0]


def test_sigterm_while_it_waits(run: Callable[..., Server], tmp_path: Path) -> None:
    server = run("--model_name=m", f"--model_base_path={tmp_path / 'm'}", wait=False)
    wait_until(lambda: "waiting for it" in server.output, 60)
    assert server.stop() == 0


def test_a_port_of_somebody_else(models: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [
                *COMMAND,
                "--host=127.0.0.1",
                f"--port={free_port()}",
                f"--rest_api_port={port}",
                f"--model_base_path={models}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"error: port {port} is in use by another process; stop it or give another --rest_api_port\n"
    )


def test_a_model_that_does_not_load_ends_the_start_with_the_reason(models: Path) -> None:
    (models / "1" / "saved_model.pb").write_bytes(b"no graph")
    done = subprocess.run(
        [
            *COMMAND,
            f"--port={free_port()}",
            "--rest_api_port=0",
            f"--model_base_path={models}",
            "--max_num_load_retries=0",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: default version: 1} due to error: "
    )
    assert "saved_model.pb" in last


def test_a_wrong_command_line_ends_with_2() -> None:
    done = subprocess.run([*COMMAND, "--prot=1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown flag --prot; --help lists the flags\n"


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(run: Callable[..., Server], models: Path, tmp_path: Path, mutual: bool) -> None:
    authority = Authority(tmp_path)
    ours, theirs = authority.issue("server", "localhost", "127.0.0.1"), authority.issue("client")
    ssl_config = tmp_path / "ssl.config"
    key, certificate, ca = (Path(path).read_text() for path in (ours.key, ours.certificate, authority.ca))
    ssl_config.write_text(
        f"server_key: {quoted(key)} server_cert: {quoted(certificate)} custom_ca: {quoted(ca)} "
        f"client_verify: {str(mutual).lower()}"
    )
    server = run(f"--model_base_path={models}", f"--ssl_config_file={ssl_config}")
    assert ("mutual TLS" if mutual else "(TLS)") in server.output
    assert "REST is plain HTTP" in server.output
    assert key not in server.output
    request = predict_request("default", X)

    def ask(credentials: grpc.ChannelCredentials) -> list[float]:
        with grpc.secure_channel(server.grpc, credentials) as channel:
            return y(prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30))

    pem = ca.encode()
    shown = grpc.ssl_channel_credentials(
        pem, Path(theirs.key).read_bytes(), Path(theirs.certificate).read_bytes()
    )
    assert ask(shown) == [3.0]
    if mutual:
        with pytest.raises(grpc.RpcError):
            ask(grpc.ssl_channel_credentials(pem))
        (tmp_path / "strangers").mkdir()
        stranger = Authority(tmp_path / "strangers").issue("stranger")
        with pytest.raises(grpc.RpcError):
            ask(
                grpc.ssl_channel_credentials(
                    pem, Path(stranger.key).read_bytes(), Path(stranger.certificate).read_bytes()
                )
            )
    else:
        assert ask(grpc.ssl_channel_credentials(pem)) == [3.0]
    with pytest.raises(grpc.RpcError):
        server.predict("default", X, timeout=5)  # in plain


def quoted(text: str) -> str:
    return '"' + text.replace("\n", "\\n") + '"'


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "tfx", "tfx_bsl", "apache_beam", "ml_metadata", "tensorflow_transform",
            "tensorflow_model_analysis", "tensorflow_data_validation", "tensorflow_recommenders",
            "tf_keras", "keras", "kfp", "pandas", "pyarrow", "pydantic", "pipeline", "scann",
            "prometheus_client",
        }:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
from serving.model_server.__main__ import main
from serving.model_server.process.launch import leave
leave(main())
"""


def test_it_runs_where_the_pipeline_is_not_installed(models: Path, tmp_path: Path) -> None:
    server = start(
        (sys.executable, "-c", BLOCKED), ("--host=127.0.0.1", f"--model_base_path={models}"), tmp_path
    )
    try:
        assert y(server.predict("default", X)) == [3.0]
    finally:
        assert server.stop() == 0


# A grpcio of tomorrow: what unary_calls.py takes from it is not there any more.
MOVED = """
from grpc._cython import cygrpc
del cygrpc.ReceiveMessageOperation
from serving.model_server.__main__ import main
from serving.model_server.process.launch import leave
leave(main())
"""


def test_a_grpcio_whose_private_parts_have_moved_costs_speed_and_no_service(
    models: Path, tmp_path: Path
) -> None:
    server = start(
        (sys.executable, "-c", MOVED),
        ("--host=127.0.0.1", f"--model_base_path={models}", "--enable_grpc_healthcheck_service"),
        tmp_path,
    )
    try:
        assert server.output.count("gRPC is answered by grpc.aio") == 1
        assert y(server.predict("default", X)) == [3.0]
        assert refusal(lambda: server.predict("none", X)) == (
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Latest(none)",
        )
        health = health_pb2_grpc.HealthStub(server.channel)
        assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
        with grpc.insecure_channel(server.grpc) as channel:
            services = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert "tensorflow.serving.PredictionService" in services
    finally:
        assert server.stop() == 0, server.output


def test_a_server_bound_to_its_parent_ends_with_it_even_by_sigkill(models: Path, tmp_path: Path) -> None:
    socket_path, log = tmp_path / "grpc.sock", tmp_path / "log"
    flags = (f"--grpc_socket_path={socket_path}", f"--model_base_path={models}", "--port=0")
    parent = (
        "import os, subprocess, sys\n"
        "bond = f'--parent_pid={os.getpid()}'\n"
        "child = subprocess.Popen([*sys.argv[2:], bond], stdout=open(sys.argv[1], 'wb'))\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, str(log), *COMMAND, *flags], stdout=subprocess.PIPE, text=True
    ) as run_:
        child = psutil.Process(int(run_.stdout.readline()))
        wait_until(lambda: log.exists() and "ready" in log.read_text(), 60)
        run_.kill()
    child.wait(30)
    assert not child.is_running()


def test_a_parent_pid_that_is_not_the_parent_s_is_refused(run: Callable[..., Server], models: Path) -> None:
    server = run(f"--model_base_path={models}", "--parent_pid=1", wait=False)
    assert server.process.wait(30) == 1
    assert "--parent_pid: process 1 is not this server's parent" in server.output
