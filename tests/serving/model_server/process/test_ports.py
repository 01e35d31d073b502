"""A port is kept from a second server of this user, and from no one by another user."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from benchmarks.harness.ports import free_port
from serving.model_server.process import ports
from serving.model_server.process.options import ServerOptions

_HOLD = """
import os, socket, sys
os.setuid(65534)
name = socket.socket(socket.AF_UNIX)
name.bind(sys.argv[1])
if sys.argv[2] == "listening":
    name.listen(1)
print("held", flush=True)
sys.stdin.read()
"""


def _options() -> ServerOptions:
    return ServerOptions(host="127.0.0.1", port=free_port(), rest_api_port=0)


def test_a_second_server_of_this_user_is_told_that_the_port_is_in_use() -> None:
    options = _options()
    first = ports.Reservation(options)
    with pytest.raises(ports.PortInUseError, match=f"port {options.port} is in use"):
        ports.Reservation(options)
    first.close()
    ports.Reservation(options).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("how", ["listening", "silent"])
def test_another_user_who_took_the_name_keeps_nobody_from_the_port(how: str) -> None:
    options = _options()
    address = f"\0marquee-model-server-{options.port}"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD.replace("sys.argv[1]", repr(address)), "-", how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        reserved = ports.Reservation(options)
        opened = ports.open_port(options.host, options.port, share=True)
        opened.close()
        reserved.close()
        other.kill()


def test_a_socket_that_nobody_listens_on_has_no_owner() -> None:
    address = f"\0marquee-test-{os.getpid()}"
    assert ports._owner(address) is None
    with socket.socket(socket.AF_UNIX) as name:
        name.bind(address)
        name.listen(1)
        assert ports._owner(address) == os.geteuid()
