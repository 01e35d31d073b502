"""The access log: a line per request, and nothing of a request's values."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.models import conformance_models
from support.models.conformance_models import ECHO, HALF
from support.servers.model_servers import OUR_COMMAND, Server, predict_request, refusal, start, wait_until

from serving.model_server.observe import access_log
from serving.model_server.observe.access_log import Access, AccessLog, request_id
from serving.model_server.process import launch, options
from serving.protocol.errors import Code


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a server logged of the requests below."""
    folder = tmp_path_factory.mktemp("access_log")
    conformance_models.write(folder)
    file = folder / "access.log"
    flags = [flag.format(folder) for flag in conformance_models.FLAGS]
    server = start(OUR_COMMAND, [*flags, f"--access_log={file}"], folder)
    ask(server)
    server.stop()
    return lines(file)


def ask(server: Server) -> None:
    request = predict_request(ECHO, {"text": [b"secret", b"b"]})
    call = server.predictions.Predict.with_call(request, timeout=60, metadata=[("x-request-id", "mine")])
    assert dict(call[1].trailing_metadata())["x-request-id"] == "mine"
    made = server.predictions.Predict.with_call(request, timeout=60)
    assert dict(made[1].trailing_metadata())["x-request-id"]
    assert refusal(lambda: server.predict("m", {"x": [1.0]}))[0] is grpc.StatusCode.NOT_FOUND
    body = {"instances": [1.0, 2.0, 3.0]}
    found = server.http("POST", f"/v1/models/{HALF}:predict", body, {"X-Request-Id": "theirs"})
    assert found.headers["X-Request-Id"] == "theirs"
    odd = server.http("POST", "/v1/models/m:predict", {"instances": ["secret"]}, {"X-Request-Id": "a" * 500})
    assert odd.headers["X-Request-Id"] != "a" * 500
    server.http("GET", f"/v1/models/{HALF}")
    server.http("GET", "/nowhere")
    server.http("GET", "/v1/models/%ff")
    # A path with the end of a line in it is the API's like any other: not aiohttp's, which says its version.
    broken = server.http("GET", "/v1/models/a%0Ab")
    assert (broken.status, broken.headers["Server"]) == (404, "marquee")


def test_a_line_says_who_asked_what_and_how_it_went(served: list[dict[str, Any]]) -> None:
    mine = next(line for line in served if line["request_id"] == "mine")
    assert set(mine) == {
        *("time", "request_id", "api", "method", "model", "version", "signature", "status"),
        *("latency_ms", "rows", "peer"),
    }
    assert mine["api"] == "GRPC"
    assert mine["method"] == "Predict"
    assert (mine["model"], mine["version"], mine["signature"]) == (ECHO, 1, "serving_default")
    assert mine["status"] == "OK"
    assert mine["rows"] == 2
    assert mine["latency_ms"] > 0
    assert "127.0.0.1" in mine["peer"]
    theirs = next(line for line in served if line["request_id"] == "theirs")
    assert (theirs["api"], theirs["model"], theirs["rows"], theirs["status"]) == ("REST", HALF, 3, "OK")


def test_errors_and_other_methods_are_logged(served: list[dict[str, Any]]) -> None:
    found = {(line["api"], line["method"], line["model"], line["status"]) for line in served}
    assert ("GRPC", "Predict", "m", "NOT_FOUND") in found
    assert ("REST", "Predict", "m", "NOT_FOUND") in found
    assert ("REST", "GetModelStatus", HALF, "OK") in found
    assert ("REST", "GET", "", "NOT_FOUND") in found
    assert ("REST", "GetModelStatus", "\\udcff", "NOT_FOUND") in found
    assert ("REST", "GetModelStatus", "a\nb", "NOT_FOUND") in found


def test_no_value_of_a_request_is_logged(served: list[dict[str, Any]]) -> None:
    assert "secret" not in json.dumps(served)


def test_request_ids_are_the_clients_or_new() -> None:
    assert request_id("abc-1") == "abc-1"
    refused = ("", "ä", "a\nb", "a" * 129)
    made = {request_id(sent) for sent in (None, *refused)}
    assert len(made) == 5
    assert made.isdisjoint(refused)


def access(name: str) -> Access:
    return Access(name, "GRPC", "Predict")


def test_several_writers_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "log"
    logs = [AccessLog(str(file)) for _ in range(3)]
    for number in range(3000):
        logs[number % 3].write(access(str(number)), Code.OK)
    for log in logs:
        log.close()
    assert sorted(int(line["request_id"]) for line in lines(file)) == list(range(3000))


def test_a_full_pipe_holds_up_no_request(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(pipe))
    for number in range(2000):  # far more than a pipe holds, and nobody reads
        log.write(access(str(number)), Code.OK)
    os.set_blocking(reader, True)
    read = reading(reader)
    log.close()
    assert read().count(b"\n") == 2000


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access_log, "_CLOSE_SECONDS", 0.5)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(pipe))
    for number in range(2000):
        log.write(access(str(number)), Code.OK)
    log.close()
    assert "its last lines are lost" in caplog.text
    os.close(reader)


def test_names_that_are_no_text_or_endless_are_logged_too(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log = AccessLog(str(file))
    odd = access("1")
    odd.model, odd.signature = "\udcff", "s" * 100_000
    log.write(odd, Code.NOT_FOUND)
    log.close()
    (line,) = lines(file)
    assert (line["model"], line["signature"]) == ("\\udcff", "s" * 256)


def reading(file: int) -> Callable[[], bytes]:
    """Reads to the end in a thread; call what is returned to wait for that."""
    found: list[bytes] = []

    def run() -> None:
        while chunk := os.read(file, 65536):
            found.append(chunk)
        os.close(file)

    thread = threading.Thread(target=run)
    thread.start()

    def end() -> bytes:
        thread.join()
        return b"".join(found)

    return end


def test_a_file_that_cannot_be_written_ends_the_start_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that is started anew goes on without it, and its lines come once they can."""
    file = tmp_path / "gone" / "log"
    flags = ["--model_base_path=/unused", "--port=0", "--rest_api_port=0", "--grpc_socket_path=/unused"]
    assert launch.run(options.parse([*flags, f"--access_log={file}"], {})) == 1
    assert (
        f"--access_log: {file} cannot be written: No such file or directory; make" in capsys.readouterr().err
    )
    log = AccessLog(str(file))
    for number in range(3):
        log.write(access(str(number)), Code.OK)
    wait_until(lambda: "access log: 3 lines lost: FileNotFoundError" in caplog.text)
    assert "cannot be opened anew: No such file or directory; its lines are lost" in caplog.text
    log.write(access("3"), Code.OK)
    time.sleep(0.5)
    assert caplog.text.count("lines lost") == 1  # once a minute
    file.parent.mkdir()
    log.write(access("4"), Code.OK)
    wait_until(file.exists)
    log.close()
    assert [line["request_id"] for line in lines(file)] == ["4"]
    assert "access log: 1 lines lost" in caplog.text


def test_a_pipe_is_not_opened_to_see_whether_it_can_be(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    access_log.check(str(tmp_path / "pipe"))  # would wait for a reader


def line() -> Access:
    return Access("id", "REST", "Predict")


def test_after_a_rotation_lines_go_to_the_new_file(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    log = AccessLog(str(file))
    log.write(line(), Code.OK)
    wait_until(lambda: len(lines(file)) == 1)
    assert file.stat().st_mode & 0o777 == 0o640
    file.rename(tmp_path / "access.log.1")
    log.reopen()
    wait_until(file.exists)
    log.write(line(), Code.OK)
    wait_until(lambda: len(lines(file)) == 1)
    # Where its folder is gone, the file that is open takes them.
    file.rename(tmp_path / "access.log.2")
    tmp_path.joinpath("access.log").mkdir()
    log.reopen()
    log.write(line(), Code.OK)
    log.close()
    assert len(lines(tmp_path / "access.log.1")) == 1
    assert len(lines(tmp_path / "access.log.2")) == 2
