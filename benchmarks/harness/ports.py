"""Ports for servers that are measured or tested."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

_GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port of 127.0.0.1 that no outgoing connection takes before the server does.

    It lies below those that the kernel gives to connections. Not seeded: servers of several processes
    are to have ports of their own.
    """
    lowest = int(_GIVEN.read_text().split()[0])
    chosen = random.SystemRandom()
    while True:
        port = chosen.randrange(lowest // 2, lowest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
