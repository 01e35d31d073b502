"""Worker processes: each follows the versions, one config for all, one sum, and no end that matters."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import tensorflow as tf
from google.protobuf import text_format
from support.models import conformance_models
from support.servers.model_servers import Server, predict_request, start, wait_until
from tensorflow_serving.apis import model_management_pb2, prediction_log_pb2

import contract
from serving.model_server.process.shared_state import SharedState

pytestmark = pytest.mark.long

COMMAND = (sys.executable, "-m", "serving.model_server")
WORKERS = 2
PutVersion = Callable[..., Path]


@pytest.fixture
def base(tmp_path: Path, put_version: PutVersion) -> Path:
    put_version(tmp_path / "half", 1)
    return tmp_path / "half"


@pytest.fixture
def server(base: Path, tmp_path: Path) -> Iterator[Server]:
    flags = (
        "--host=127.0.0.1",
        f"--workers={WORKERS}",
        "--model_name=half",
        f"--model_base_path={base}",
        "--max_num_load_retries=0",
        "--enable_grpc_healthcheck_service",
        "--allow_config_reload",
    )
    (tmp_path / "temporary").mkdir()
    started = start(COMMAND, flags, tmp_path, environment={"TMPDIR": str(tmp_path / "temporary")})
    # One worker may answer while another is still on its way.
    wait_until(lambda: "ready  " in started.output, 90, lambda: started.output)
    yield started
    if started.alive:
        started.stop()


def workers(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def version(server: Server) -> int:
    """The version that a new connection gets, from either worker."""
    try:
        document = server.http("POST", "/v1/models/half:predict", {"instances": [2.0]}).json
    except ConnectionError as error:
        raise AssertionError(f"{error}\n{server.output}") from error
    assert document == {"predictions": [3.0]}
    return int(server.http("GET", "/v1/models/half/metadata").json["model_spec"]["version"])


def states(server: Server, model: str = "half") -> dict[str, str]:
    answer = server.http("GET", f"/v1/models/{model}").json
    return {status["version"]: status["state"] for status in answer.get("model_version_status", ())}


def test_both_workers_answer_and_are_summed(server: Server) -> None:
    assert len(workers(server)) == WORKERS
    # The parent pays for no TensorFlow.
    assert "tensorflow" not in Path(f"/proc/{server.process.pid}/maps").read_text()
    asked = 60
    for _ in range(asked):
        assert server.http("POST", "/v1/models/half:predict", {"instances": [2.0]}).status == 200
    served = [len(process.net_connections("tcp")) for process in workers(server)]
    assert all(served), "every worker listens"
    seen = set()
    for _ in range(10):  # whichever worker is asked
        text = server.http("GET", "/monitoring/prometheus/metrics").body.decode()
        [line] = [t for t in text.splitlines() if t.startswith(":tensorflow:serving:request_count{")]
        seen.add(line)
        for name in ("parent", "worker 0", "worker 1"):
            assert f'process_resident_memory_bytes{{process="{name}"}}' in text
    assert seen == {f':tensorflow:serving:request_count{{model_name="half",status="OK"}} {asked}'}


def test_new_versions_reach_every_worker_and_no_request_fails(
    server: Server, base: Path, put_version: PutVersion
) -> None:
    """Each thread opens a new connection per request, so it moves between the workers."""
    answered: list[int] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answered.append(version(server))
            except BaseException as error:  # noqa: BLE001 (raised by the test)
                errors.append(error)
                return

    def all_moved_to(number: int) -> bool:
        assert not errors, errors
        return set(answered[-30:]) == {number} and server.output.count(f"version {number} answers") == WORKERS

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2, 5):
            put_version(base, number)
            wait_until(lambda number=number: all_moved_to(number), 60, lambda: server.output)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors, errors
    # Both had left version 2 before 4 was there.
    assert {1, 2}.isdisjoint(answered[answered.index(4) :])
    wait_until(lambda: set(list(states(server).values())[1:]) == {"END"})


def test_reload_reaches_every_worker(server: Server, tmp_path: Path, put_version: PutVersion) -> None:
    put_version(tmp_path / "other", 5)
    request = model_management_pb2.ReloadConfigRequest()
    text = (
        f'model_config_list {{ config {{ name: "other" base_path: "{tmp_path / "other"}" '
        'model_platform: "tensorflow" } }'
    )
    text_format.Parse(text, request.config)
    assert server.models.HandleReloadConfigRequest(request, timeout=60).status.error_code == 0
    for _ in range(20):
        assert states(server, "other") == {"5": "AVAILABLE"}
        assert server.http("POST", "/v1/models/half:predict", {"instances": [2.0]}).status == 404
    wrong = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(text.replace('"tensorflow"', '"torch"'), wrong.config)
    with pytest.raises(Exception, match="Illegal to change a model's platform"):
        server.models.HandleReloadConfigRequest(wrong, timeout=60)
    assert states(server, "other") == {"5": "AVAILABLE"}
    # A worker that comes later serves what was reloaded, not what the command line says.
    os.kill(workers(server)[0].pid, signal.SIGKILL)
    wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
    for _ in range(20):
        assert states(server, "other") == {"5": "AVAILABLE"}
        assert server.http("POST", "/v1/models/half:predict", {"instances": [2.0]}).status == 404


def test_a_config_file_that_is_polled_reaches_workers_that_come_later(
    tmp_path: Path, put_version: PutVersion
) -> None:
    for name, number in (("half", 1), ("other", 5)):
        put_version(tmp_path / name, number)
    path = tmp_path / "models.config"

    def write(*names: str, labels: str = "") -> None:
        more = f'model_platform: "tensorflow" {labels}'
        models = [f'config {{ name: "{name}" base_path: "{tmp_path / name}" {more} }}' for name in names]
        writing = path.with_suffix(".new")
        writing.write_text(f"model_config_list {{ {' '.join(models)} }}")
        writing.rename(path)

    write("half")
    flags = (
        "--host=127.0.0.1",
        f"--workers={WORKERS}",
        f"--model_config_file={path}",
        "--model_config_file_poll_wait_seconds=1",
    )
    server = start(COMMAND, flags, tmp_path)
    try:
        wait_until(lambda: "ready  " in server.output, 90, lambda: server.output)
        write("half", "other")
        wait_until(lambda: all(states(server, "other") for _ in range(20)), 60, lambda: server.output)
        write("other", labels='version_labels { key: "stable" value: 5 }')
        wait_until(lambda: server.output.count("removed by") == WORKERS, 60, lambda: server.output)
        path.write_text("no config at all")  # what is in force stays, in a worker that comes later as well
        os.kill(workers(server)[0].pid, signal.SIGKILL)
        wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
        for _ in range(20):
            answer = server.http("POST", "/v1/models/other/labels/stable:predict", {"instances": [2.0]})
            assert answer.json == {"predictions": [3.0]}
    finally:
        server.stop()


def test_a_config_that_names_a_version_that_is_not_there_can_be_corrected_while_the_start_waits(
    tmp_path: Path, put_version: PutVersion
) -> None:
    put_version(tmp_path / "half", 2)
    path = tmp_path / "models.config"

    def write(version: int) -> None:
        policy = f"model_version_policy {{ specific {{ versions: {version} }} }}"
        model = f'name: "half" base_path: "{tmp_path / "half"}" model_platform: "tensorflow" {policy}'
        path.write_text(f"model_config_list {{ config {{ {model} }} }}")

    write(1)
    flags = (
        "--host=127.0.0.1",
        f"--workers={WORKERS}",
        f"--model_config_file={path}",
        "--model_config_file_poll_wait_seconds=1",
    )
    server = start(COMMAND, flags, tmp_path, wait=False)
    try:
        missing = "version 1, which the config asks for, is not there"
        wait_until(lambda: server.output.count(missing) >= WORKERS, 90, lambda: server.output)
        write(2)
        wait_until(lambda: "ready  " in server.output, 90, lambda: server.output)
        assert all(states(server).get("2") == "AVAILABLE" for _ in range(20))
        os.kill(workers(server)[0].pid, signal.SIGKILL)
        wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
        assert all(states(server).get("2") == "AVAILABLE" for _ in range(20))
    finally:
        server.stop()


def test_a_reload_says_when_a_new_model_does_not_load(
    server: Server, tmp_path: Path, base: Path, put_version: PutVersion
) -> None:
    (put_version(tmp_path / "broken", 1) / "saved_model.pb").write_bytes(b"no graph")
    request = model_management_pb2.ReloadConfigRequest()
    for name, path in (("half", base), ("broken", tmp_path / "broken")):
        request.config.model_config_list.config.add(
            name=name, base_path=str(path), model_platform="tensorflow"
        )
    with pytest.raises(Exception, match=r"1 model\(s\) did not become available: {{{name: broken"):
        server.models.HandleReloadConfigRequest(request, timeout=60)
    # As with one process, the config is in force: in all of them.
    wait_until(lambda: all(states(server, "broken") == {"1": "END"} for _ in range(20)))
    for _ in range(10):
        assert version(server) == 1


def test_a_swept_folder_for_temporary_files_hurts_nobody(server: Server, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "temporary")
    for _ in range(10):
        assert version(server) == 1
    os.kill(workers(server)[0].pid, signal.SIGKILL)
    wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
    for _ in range(10):
        assert version(server) == 1
    page = server.http("GET", "/monitoring/prometheus/metrics").body.decode()
    # What the killed worker had counted is in the sum.
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"} 20' in page
    assert 'marquee:serving:process_restarts_total{process="worker 0"} 1' in page


def test_a_killed_worker_is_replaced_and_the_others_go_on(server: Server) -> None:
    victim, survivor = workers(server)
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(lambda: victim.pid not in {process.pid for process in workers(server)})
    # New connections reach the survivor.
    for _ in range(20):
        assert version(server) == 1
    assert survivor.is_running()
    wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
    assert (
        "worker 0 was killed by SIGKILL" in server.output or "worker 1 was killed by SIGKILL" in server.output
    )
    assert len(workers(server)) == WORKERS
    for _ in range(20):
        assert version(server) == 1
    # Ctrl-C reaches the whole group; the workers leave the end to the parent.
    for process in workers(server):
        process.send_signal(signal.SIGINT)
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    assert not survivor.is_running()


def aborting(path: Path) -> None:
    """A model that ends the process by its warm-up request, as a bug in an op does."""

    def build() -> dict[str, Any]:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        with tf.control_dependencies([tf.raw_ops.Abort(error_msg="on purpose", exit_without_error=False)]):
            y = tf.identity(x)
        # A variable, or there is nothing to save.
        tf.compat.v1.get_variable("v", initializer=0.0)
        return {"serving_default": (conformance_models.PREDICT, {"x": x}, {"y": y})}

    writing = path.with_name(f"unready-{path.name}")
    conformance_models.save(writing, build)
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request("half", {"x": tf.constant([1.0])}))
    extra = writing / contract.ASSETS_EXTRA
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / contract.WARMUP_REQUESTS)) as records:
        records.write(log.SerializeToString())
    writing.rename(path)


def test_a_version_that_kills_its_process_kills_one_and_is_never_served(server: Server, base: Path) -> None:
    before = {process.pid for process in workers(server)}
    aborting(base / "2")
    # Whoever is connected to the process that dies loses the connection, so the log is asked.
    wait_until(lambda: "version 2 does not load" in server.output, 60, lambda: server.output)
    wait_until(lambda: "serves again" in server.output, 90, lambda: server.output)
    [status] = server.http("GET", "/v1/models/half/versions/2").json["model_version_status"]
    assert status["status"]["error_code"] == "INTERNAL"
    assert "was killed by SIGABRT" in status["status"]["error_message"]
    after = {process.pid for process in workers(server)}
    assert len(after & before) == WORKERS - 1
    for _ in range(10):
        assert version(server) == 1


def test_requests_under_way_are_answered_when_it_stops(tmp_path: Path) -> None:
    conformance_models.echo(tmp_path / "echo" / "1")
    server = start(
        COMMAND,
        ("--host=127.0.0.1", "--workers=2", "--model_name=echo", f"--model_base_path={tmp_path / 'echo'}"),
        tmp_path,
    )
    answers = []

    def ask() -> None:
        assert server.rest is not None
        connection = http.client.HTTPConnection(server.rest, timeout=60)
        connection.request(
            "POST", "/v1/models/echo:predict", json.dumps({"instances": [4000], "signature_name": "slow"})
        )
        answers.append(json.loads(connection.getresponse().read()))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert answers == [{"predictions": [4000]}] * 4


def test_a_worker_gives_signs_of_life_while_it_finishes_its_requests(tmp_path: Path) -> None:
    """Without them one that is ended alone, with requests of minutes, would be killed as hanging."""
    conformance_models.echo(tmp_path / "echo" / "1")
    server = start(
        COMMAND,
        # The request may take longer than the 30 seconds that are usual, on a slow machine.
        (
            "--host=127.0.0.1",
            "--workers=2",
            "--model_name=echo",
            f"--model_base_path={tmp_path / 'echo'}",
            "--rest_api_timeout_in_ms=300000",
        ),
        tmp_path,
    )
    try:
        wait_until(lambda: "ready  " in server.output, 90, lambda: server.output)
        files = Path(f"/proc/{server.process.pid}/fd")
        shared = next(file for file in files.iterdir() if "memfd:marquee-server" in str(file.readlink()))
        state = SharedState(WORKERS, os.open(shared, os.O_RDWR))
        assert server.rest is not None
        connection = http.client.HTTPConnection(server.rest, timeout=300)
        body = json.dumps({"instances": [20_000], "signature_name": "slow"})
        connection.request("POST", "/v1/models/echo:predict", body)
        [asked] = [
            process
            for process in workers(server)
            if any(c.raddr == connection.sock.getsockname() for c in process.net_connections("tcp"))
        ]
        number = [state.get("pid", n) for n in range(WORKERS)].index(asked.pid)
        time.sleep(0.5)
        asked.terminate()
        wait_until(lambda: "finishing the requests under way" in server.output, 10, lambda: server.output)
        before = state.get("alive_at", number)
        wait_until(lambda: state.get("alive_at", number) > before + 1e9, 20, lambda: server.output)
        assert state.get("pid", number) == asked.pid, "it has ended, and its successor lives"
        assert json.loads(connection.getresponse().read()) == {"predictions": [20_000]}
    finally:
        code = server.stop()
    assert code == 0


def test_a_worker_without_its_parent_ends(server: Server) -> None:
    left = workers(server)
    os.kill(server.process.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(left, 30)
    assert not alive
