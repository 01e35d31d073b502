"""What goes wrong around a server: whoever asks properly goes on being answered."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.models import conformance_models
from support.servers.model_servers import Server, start, wait_until

from serving.client import Client, Code, Retry, ServingError

pytestmark = pytest.mark.long

ECHO = conformance_models.ECHO
HALF = conformance_models.HALF
ONCE = Retry(attempts=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    conformance_models.half_plus(folder / HALF / "1", 1.0)
    conformance_models.echo(folder / ECHO / "1")
    return folder


@contextlib.contextmanager
def serving(models: Path, folder: Path, *flags: str) -> Iterator[Server]:
    """A server of a copy of the models that a test may spoil."""
    shutil.copytree(models, folder / "models")
    config = "\n".join(
        f'config {{ name: "{name}" base_path: "{folder / "models" / name}" model_platform: "tensorflow" }}'
        for name in (HALF, ECHO)
    )
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}")
    server = start(
        [sys.executable, "-m", "serving.model_server"],
        ["--host=127.0.0.1", f"--model_config_file={folder / 'models.config'}", *flags],
        folder,
    )
    try:
        yield server
    finally:
        code = server.stop()
    assert code == 0, server.output


@contextlib.contextmanager
def asked_throughout(server: Server, retry: Retry = ONCE) -> Iterator[list[str]]:
    """Two clients, one per protocol, ask for half of 2 plus 1 all the time; yields what went wrong."""
    wrong: list[str] = []
    answers = dict.fromkeys((server.grpc, f"http://{server.rest}"), 0)
    stop = threading.Event()

    def run(address: str) -> None:
        with Client(address, model=HALF, retry=retry, timeout_s=30) as client:
            while not stop.is_set():
                try:
                    [value] = client.predict("serving_default", {"x": [2.0]}).outputs.values()
                except ServingError as error:
                    wrong.append(str(error))
                else:
                    if value.tolist() != [2.0]:
                        wrong.append(f"{address} answered {value}")
                    answers[address] += 1

    def more(than: dict[str, int]) -> bool:
        return all(answers[address] > count for address, count in than.items())

    threads = [threading.Thread(target=run, args=(address,)) for address in answers]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: more(dict.fromkeys(answers, 0)) or bool(wrong))
        yield wrong
        after = dict(answers)
        wait_until(lambda: more(after) or bool(wrong), explain=lambda: "nobody answers any more")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def _no_graph(version: Path) -> None:
    (version / "saved_model.pb").write_bytes(b"not a graph at all" * 100)


def _no_variables(version: Path) -> None:
    shutil.rmtree(version / "variables")


def _half_of_the_variables(version: Path) -> None:
    [data] = (version / "variables").glob("variables.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def _graph_cut_short(version: Path) -> None:
    graph = version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:-200])


def _a_file_for_a_folder(version: Path) -> None:
    shutil.rmtree(version)
    version.write_text("not a folder")


SPOILT: list[Callable[[Path], None]] = [
    _no_graph, _no_variables, _half_of_the_variables, _graph_cut_short,
]  # fmt: skip


def test_a_version_that_does_not_load_is_reported_and_never_served(models, tmp_path):
    """Each of them comes as the newest; the old one goes on, and a whole one takes over at the end."""
    with (
        serving(models, tmp_path, "--max_num_load_retries=0") as server,
        Client(server.grpc, model=HALF) as client,
    ):
        base = tmp_path / "models" / HALF
        with asked_throughout(server):
            for version, spoil in enumerate(SPOILT, start=2):
                staged = tmp_path / "staged"
                shutil.copytree(models / HALF / "1", staged)
                spoil(staged)
                staged.rename(base / str(version))

                def reported(version: int = version) -> bool:
                    return any(
                        item.version == version and item.state == "END" and item.error_message
                        for item in client.status()
                    )

                wait_until(reported, explain=lambda: f"{client.status()}\n{server.output[-3000:]}")
                assert [s.version for s in client.status() if s.state == "AVAILABLE"] == [1]
                with pytest.raises(ServingError) as error:
                    client.predict("serving_default", {"x": [2.0]}, version=version)
                assert error.value.code is Code.NOT_FOUND
                failed = f'load_attempt_count{{model_path="{base / str(version)}",status="fail"}} 1'
                # The page is made at most once a second.
                wait_until(lambda failed=failed: failed in metrics(server), explain=lambda: metrics(server))
            # What is no folder of a version is none.
            _a_file_for_a_folder(_copied(models, base / "90"))
            (base / "91").mkdir()
            (base / "not-a-number").mkdir()
            shutil.copytree(models / HALF / "1", tmp_path / "staged")
            (tmp_path / "staged").rename(base / "100")
            wait_until(
                lambda: [s.version for s in client.status() if s.state == "AVAILABLE"] == [100],
                explain=lambda: f"{client.status()}\n{server.output[-3000:]}",
            )


def metrics(server: Server) -> str:
    return server.http("GET", "/monitoring/prometheus/metrics").body.decode()


def _copied(models: Path, to: Path) -> Path:
    shutil.copytree(models / HALF / "1", to)
    return to


def test_a_version_copied_file_by_file_is_served_once_it_is_whole(models, tmp_path):
    """Graph last, as the pusher does on object stores."""
    with serving(models, tmp_path) as server, Client(server.grpc, model=HALF) as client:
        source, target = models / HALF / "1", tmp_path / "models" / HALF / "2"
        with asked_throughout(server):
            files = sorted(path for path in source.rglob("*") if path.is_file())
            files.sort(key=lambda path: path.name == "saved_model.pb")
            for path in files:
                (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / path.relative_to(source))
                time.sleep(0.5)
            wait_until(
                lambda: [s.version for s in client.status() if s.state == "AVAILABLE"] == [2],
                seconds=150,  # a first try may have met half of it
                explain=lambda: f"{client.status()}\n{server.output[-3000:]}",
            )


def test_files_of_a_served_version_may_vanish(models, tmp_path):
    with serving(models, tmp_path, "--servable_versions_always_present=true") as server:
        with asked_throughout(server):
            shutil.rmtree(tmp_path / "models" / HALF)
            time.sleep(3)  # the server has looked three times
        with Client(server.grpc, model=HALF) as client:
            assert [(s.version, s.state) for s in client.status()] == [(1, "AVAILABLE")]


def test_a_killed_worker_is_replaced(models, tmp_path):
    with serving(models, tmp_path, "--workers=2") as server:
        parent = psutil.Process(server.process.pid)

        def workers() -> set[int]:
            return {child.pid for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE}

        wait_until(lambda: len(workers()) >= 2)
        # What the dead worker had accepted is lost: a client that may ask again gets its answer.
        with asked_throughout(server, Retry()):
            for kills in (1, 2):
                os.kill(min(workers()), signal.SIGKILL)
                # Until then the other one answers alone.
                wait_until(
                    lambda kills=kills: server.output.count("serves again") == kills,
                    explain=lambda: server.output[-3000:],
                )
        assert len(workers()) == 2


def test_a_full_queue_refuses_at_once_and_others_are_answered(models, tmp_path):
    with serving(models, tmp_path, "--max_queued_requests=2") as server:
        with asked_throughout(server), Client(server.grpc, model=ECHO, retry=ONCE) as client:

            def slow(number: int) -> Code:
                try:
                    answer = client.predict(
                        "slow", {"steps": np.array([1500 + number], np.int32)}, timeout_s=120
                    )
                except ServingError as error:
                    assert "queue" in error.message.lower(), error
                    return error.code
                assert answer.outputs["steps"].tolist() == [1500 + number]
                return Code.OK

            with futures.ThreadPoolExecutor(16) as pool:
                codes = list(pool.map(slow, range(16)))
        assert set(codes) == {Code.OK, Code.UNAVAILABLE}


def test_slow_and_silent_clients_hold_nobody_up(models, tmp_path):
    """Open connections that send a byte now and then, or nothing, or half a body, or do not read."""
    with serving(models, tmp_path) as server, contextlib.ExitStack() as open_sockets:
        host, rest = server.rest.split(":")
        grpc_port = server.grpc.split(":")[1]
        body = b'{"inputs": {"text": ["' + b"x" * 1_000_000 + b'"]}}'
        head = (
            f"POST /v1/models/{ECHO}:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        sockets = []
        for number in range(60):
            port = int(rest if number % 3 else grpc_port)
            connection = open_sockets.enter_context(socket.create_connection((host, port), timeout=30))
            sockets.append(connection)
            if number % 3 == 1:
                connection.sendall(head + body[:1000])  # the rest never comes
            elif number % 3 == 2:
                connection.sendall(head + body)  # the answer is never read
        with asked_throughout(server):
            for byte in b"GET /v1/models HT":
                for connection in sockets[:30]:
                    # The server may have had enough of one of them.
                    with contextlib.suppress(OSError):
                        connection.send(bytes([byte]))
                time.sleep(0.05)
