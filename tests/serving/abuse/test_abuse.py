"""One client takes all of a resource that its rights allow; another asks once in a while and is answered.

All on 127.0.0.1 and bounded: a server of two workers, at most a few dozen connections and some
hundred MiB. The attacker comes from an address of its own. The short form sees that everything is
answered and nothing restarts; the minute-long one also how fast, which wants a quiet machine, and
prints its figures (`pytest -rP`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import http.client
import json
import math
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import psutil
import pytest
import tensorflow as tf
from support.models import tiny_models
from support.servers import patient_client
from support.servers.held_back import HeldBack
from support.servers.model_servers import OUR_COMMAND, Server, predict_request, start
from support.small_disk import leave, small_disk
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

import contract

ATTACKER, HONEST = "127.0.0.9", "127.0.0.1"
_BIND_ADDRESS_NO_PORT = 24  # of Linux (ip(7)); Python names it from 3.12 on
# Beyond what it has when it is idle; of all processes together.
MEMORY = 512 * 2**20
THREADS = 64
# 64 connections of REST in each process, as --max_connections says, and gRPC's own.
DESCRIPTORS = 256
ROW = {
    contract.HISTORY_ITEM_IDS: ["1", "2"],
    contract.HISTORY_RATINGS: [4.0, 3.0],
    contract.HISTORY_TIMESTAMPS: [1, 2],
}
PREDICT = "/tensorflow.serving.PredictionService/Predict"
HEAD = "POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disk") / "small", 1024) as folder:
        yield folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, disk: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("abuse")
    tiny_models.histories(folder / "m" / "1")
    (disk / "tmp").mkdir()
    started = start(
        OUR_COMMAND[:4],
        [
            "--model_name=m",
            f"--model_base_path={folder}/m",
            "--workers=2",
            "--max_queued_requests=64",
            "--max_connections=64",
            f"--max_pending_request_bytes={64 << 20}",
            f"--access_log={disk}/access.log",
        ],
        folder,
        environment={"TMPDIR": str(disk / "tmp")},
    )
    yield started
    assert started.stop() == 0


@dataclasses.dataclass(frozen=True)
class Held:
    """What all processes of the server have at a moment."""

    memory: int  # bytes
    threads: int
    descriptors: int


def held(server: Server) -> Held:
    parent = psutil.Process(server.process.pid)
    processes = (parent, *parent.children())
    return Held(
        sum(process.memory_info().rss for process in processes),
        sum(process.num_threads() for process in processes),
        sum(process.num_fds() for process in processes),
    )


def most_of(seen: Sequence[Held]) -> Held:
    return Held(*(max(values) for values in zip(*map(dataclasses.astuple, seen), strict=True)))


# --- attacks: each runs in some threads until it is told to stop -----------------
Attack = Callable[[Server, threading.Event], None]


def _connect(server: Server) -> socket.socket:
    assert server.rest is not None
    host, port = server.rest.split(":")
    connection = socket.socket()
    connection.settimeout(30)
    # Else each of its ports, for a minute after its end, is one that nobody else on the machine gets.
    connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    connection.bind((ATTACKER, 0))
    try:
        connection.connect((host, int(port)))
    except OSError:
        connection.close()
        raise
    return connection


def _post(server: Server, body: bytes, headers: dict[str, str] | None = None) -> None:
    assert server.rest is not None
    connection = http.client.HTTPConnection(server.rest)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.sock = _connect(server)
        connection.request("POST", "/v1/models/m:predict", body, headers or {})
        connection.getresponse().read()


def nothing(server: Server, stop: threading.Event) -> None:
    """What the machine itself makes of it."""


def threads(server: Server, stop: threading.Event) -> None:
    """As many rows as one request may have, over and over, without waiting for the answers."""
    body = json.dumps({"instances": [ROW] * 1024}).encode()
    while not stop.is_set():
        with contextlib.suppress(OSError), contextlib.closing(_connect(server)) as connection:
            connection.sendall(HEAD.format(len(body)).encode() + body)
            stop.wait(0.02)


def stretched(server: Server, stop: threading.Event) -> None:
    """A few bytes that stand for half a million rows."""
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_request("m", {}, contract.EXPLAIN)
        for item in contract.SIGNATURES[contract.EXPLAIN].inputs:
            tensor = request.inputs[item.name]
            tensor.CopyFrom(tf.make_tensor_proto([item.neutral], dtype=item.dtype))
            tensor.tensor_shape.dim[0].size = 524_288
            if item.columns:
                tensor.tensor_shape.dim.add().size = 1
        while not stop.is_set():
            with contextlib.suppress(grpc.RpcError):
                stub.Predict(request, timeout=3)


def memory_held_back(server: Server, stop: threading.Event) -> None:
    """Large bodies of which the last byte never comes."""
    held = []
    part = HEAD.format(15 << 20).encode() + bytes((15 << 20) - 1)
    while not stop.is_set() and len(held) < 8:
        with contextlib.suppress(OSError):
            connection = _connect(server)
            held.append(connection)
            connection.sendall(part)
    stop.wait()
    for connection in held:
        connection.close()


def messages_held_back(server: Server, stop: threading.Event) -> None:
    """The same over gRPC: large messages on one connection, of which the last byte never comes."""
    host, port = server.grpc.split(":")
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))) as connection:
            held = HeldBack(connection, PREDICT, 8, 60 << 20)
            while not stop.is_set() and held.ended < 8:
                held.go_on(0.2)


def descriptors(server: Server, stop: threading.Event) -> None:
    """Connections that say nothing, as many as there can be."""
    held: list[socket.socket] = []
    while not stop.is_set():
        with contextlib.suppress(OSError):
            held.append(_connect(server))
        if len(held) > 200:
            held.pop(0).close()
    for connection in held:
        connection.close()


def event_loop(server: Server, stop: threading.Event) -> None:
    """Messages that take long to be read: ten million strings, four million brackets, a bomb."""
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_request("m", {}, contract.SERVING_DEFAULT)
        tensor = request.inputs[contract.HISTORY_RATINGS]
        tensor.dtype = types_pb2.DT_STRING
        tensor.tensor_shape.dim.add().size = 5_000_000
        tensor.tensor_content = bytes(5_000_000)
        brackets = b'{"instances": ' + b"[" * 2_000_000
        bomb = gzip.compress(bytes(64 << 20))
        while not stop.is_set():
            with contextlib.suppress(grpc.RpcError):
                stub.Predict(request, timeout=10)
            _post(server, brackets)
            _post(server, bomb, {"Content-Encoding": "gzip"})


def queue(server: Server, stop: threading.Event) -> None:
    """More requests at a time than may wait."""
    with grpc.insecure_channel(server.grpc) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = predict_request("m", tiny_models.history_inputs(*[["1", "2"]] * 256))
        while not stop.is_set():
            calls = [stub.Predict.future(request, timeout=5) for _ in range(100)]
            for call in calls:
                call.exception()


def small_requests_that_fill_the_log(server: Server, stop: threading.Event) -> None:
    while not stop.is_set():
        _post(server, b"{}")


ATTACKS: list[tuple[Attack, int]] = [
    (nothing, 1),
    (threads, 4),
    (stretched, 4),
    (memory_held_back, 2),
    (messages_held_back, 2),
    (descriptors, 2),
    (event_loop, 2),
    (queue, 2),
    (small_requests_that_fill_the_log, 2),
]
NAMES = [attack.__name__ for attack, _ in ATTACKS]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What an attack did to the honest client and to the server."""

    seconds: list[float]  # of each query, from when it was due
    before: Held
    most: Held


def under_attack(server: Server, attack: Attack, count: int, questions: int, pause: float) -> Seen:
    """A patient client's queries meanwhile; sees that nothing ends and what is held is bounded."""
    assert server.rest is not None
    before = held(server)
    stop = threading.Event()
    attackers = [threading.Thread(target=attack, args=(server, stop), daemon=True) for _ in range(count)]
    for attacker in attackers:
        attacker.start()
    seconds, seen = [], [before]
    arguments = [*server.rest.split(":"), HONEST, str(questions), str(pause)]
    with tempfile.TemporaryFile() as body:
        body.write(json.dumps({"instances": [ROW]}).encode())
        body.seek(0)
        client = subprocess.Popen(
            [sys.executable, patient_client.__file__, *arguments],
            stdin=body,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        assert client.stdout is not None
        for line in client.stdout:
            seconds.append(float(line))
            seen.append(held(server))
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join(60)
        client.kill()
        client.communicate()
    assert len(seconds) == questions
    most = most_of(seen)
    assert not any(attacker.is_alive() for attacker in attackers)
    assert most.memory - before.memory < MEMORY
    assert most.threads - before.threads <= THREADS
    assert most.descriptors - before.descriptors <= DESCRIPTORS
    assert server.alive
    assert "starting it anew" not in server.output and "hangs" not in server.output
    assert server.http("GET", "/livez").status == 200
    return Seen(seconds, before, most)


@pytest.mark.parametrize(("attack", "count"), ATTACKS, ids=NAMES)
def test_others_are_answered(server: Server, disk: Path, attack: Attack, count: int) -> None:
    if attack is small_requests_that_fill_the_log:
        leave(disk, 0)
    assert len(under_attack(server, attack, count, questions=4, pause=0.5).seconds) == 4


def test_a_full_and_then_a_swept_folder_for_temporary_files_hurt_neither_requests_nor_metrics(
    server: Server, disk: Path
) -> None:
    def sound() -> bool:
        found = [server.http("POST", "/v1/models/m:predict", {"instances": [ROW]}) for _ in range(4)]
        found += [server.http("GET", path) for path in ("/monitoring/prometheus/metrics", "/livez")]
        return [one.status for one in found] == [200] * 6

    filler = leave(disk, 0)
    assert sound()
    filler.unlink()
    shutil.rmtree(disk / "tmp")
    assert sound()
    assert "starting it anew" not in server.output


@pytest.mark.nightly("serving/model_server")
@pytest.mark.parametrize(("attack", "count"), ATTACKS, ids=NAMES)
def test_others_are_answered_in_time(server: Server, disk: Path, attack: Attack, count: int) -> None:
    """For a minute, asked once a second: within a second, 99 of 100 (by the nearest rank: of 60, all)."""
    if attack is small_requests_that_fill_the_log:
        leave(disk, 0)
    found = under_attack(server, attack, count, questions=60, pause=1.0)
    seconds = sorted(found.seconds)
    p50, p99 = (seconds[math.ceil(share * len(seconds)) - 1] for share in (0.5, 0.99))
    figures = (
        f"{attack.__name__}: p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms; "
        f"memory {found.before.memory >> 20} -> {found.most.memory >> 20} MiB, "
        f"threads {found.before.threads} -> {found.most.threads}, "
        f"descriptors {found.before.descriptors} -> {found.most.descriptors}"
    )
    print(figures)  # noqa: T201  what docs/measurements/serving.md holds
    assert p99 < 1.0, seconds[-5:]
    if attack is small_requests_that_fill_the_log:
        assert "lines lost: " in server.output
