"""Connections are bounded, and one address cannot take them all."""

from __future__ import annotations

import http.client
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.servers import model_servers
from support.servers.model_servers import OUR_COMMAND, Server

from serving.model_server.listening.connections import Bound

PutVersion = Callable[..., Path]


def test_half_of_all_for_one_address_and_what_ends_is_free_again() -> None:
    bound = Bound(4)
    assert [bound.enter("a") for _ in range(3)] == [True, True, False]
    assert [bound.enter("b") for _ in range(2)] == [True, True]
    assert not bound.enter("c")
    bound.leave("a")
    assert bound.enter("c")
    assert not bound.enter("a")


@pytest.fixture
def server(tmp_path: Path, put_version: PutVersion) -> Server:
    put_version(tmp_path / "m", 1)
    return model_servers.start(
        OUR_COMMAND,
        [
            "--model_name=m",
            f"--model_base_path={tmp_path}/m",
            "--max_connections=20",
            "--workers=2",
            f"--access_log={tmp_path}/access.log",
            "--enable_descriptions=false",
        ],
        tmp_path,
    )


def ask(server: Server, source: str) -> tuple[int, str]:
    assert server.rest is not None
    connection = http.client.HTTPConnection(server.rest, timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", "/livez")
        found = connection.getresponse()
        return found.status, f"{found.headers['Server']} {found.read().decode()}"
    finally:
        connection.close()


def test_one_who_opens_all_that_he_may_shuts_nobody_out(server: Server, tmp_path: Path) -> None:
    assert server.rest is not None
    host, port = server.rest.split(":")
    silent = []
    try:
        for _ in range(100):
            silent.append(socket.create_connection((host, int(port)), source_address=("127.0.0.9", 0)))
        model_servers.wait_until(lambda: "connections are refused: 10 are open" in server.output, 10)
        for _ in range(10):
            assert ask(server, "127.0.0.1") == (200, "marquee ok\n")
        # What describes the models is off.
        assert server.http("GET", "/openapi.json").status == 404
        # A log that was rotated is begun anew by every worker.
        log = tmp_path / "access.log"
        log.rename(tmp_path / "access.log.1")
        server.process.send_signal(signal.SIGHUP)
        model_servers.wait_until(log.exists)
        assert ask(server, "127.0.0.1")[0] == 200
    finally:
        for one in silent:
            one.close()
        assert server.stop() == 0
    limits = Path(f"/proc/{server.process.pid}/limits")
    assert not limits.exists()
