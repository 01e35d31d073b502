"""The ports, taken before the seconds of loading and opened after."""

from __future__ import annotations

import errno
import os
import socket
import struct

from serving.model_server.process.options import ServerOptions

# Connections that wait to be taken, or refused. Fewer, and a client that finds no room waits for a second
# before its system tries again; more, and those of clients that have long left are answered first.
BACKLOG = 1024


class PortInUseError(Exception):
    """A port cannot be had; the text says which and what to do."""


class Reservation:
    """Holds the ports until the servers open them.

    They are not opened early: a balancer takes an open port for readiness. A
    name in the abstract socket space keeps a second server of ours from
    taking the port meanwhile (worker processes share ports by SO_REUSEPORT,
    and the kernel would let it in).

    Raises:
      PortInUseError
    """

    def __init__(self, options: ServerOptions) -> None:
        self._held: list[socket.socket] = []
        for flag, port in (("port", options.port), ("rest_api_port", options.rest_api_port)):
            if port:
                try:
                    if (name := _hold(port)) is not None:
                        self._held.append(name)
                    _bind(options.host, port, share=False).close()
                except OSError as error:
                    self.close()
                    raise PortInUseError(_reason(flag, options.host, port, error)) from error

    def close(self) -> None:
        for held in self._held:
            held.close()
        self._held.clear()


def open_port(host: str, port: int, share: bool) -> socket.socket:
    """A listening socket.

    Args:
      share: whether other processes listen on it too.

    Raises:
      PortInUseError
    """
    try:
        opened = _bind(host, port, share)
    except OSError as error:
        raise PortInUseError(_reason("rest_api_port", host, port, error)) from error
    opened.listen(BACKLOG)
    opened.setblocking(False)
    return opened


def _hold(port: int) -> socket.socket | None:
    """The port's name in the abstract socket space; None where another user has taken it.

    Any local user can take any name there. That must not keep this server from its port: SO_REUSEPORT
    shares a port among processes of one user only, so that another user's server is kept out by the kernel.

    Raises:
      OSError: EADDRINUSE: a server of this user has the name.
    """
    address = f"\0marquee-model-server-{port}"
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(address)
        name.listen(1)
    except OSError as error:
        name.close()
        if error.errno == errno.EADDRINUSE and _owner(address) != os.geteuid():
            return None
        raise
    return name


def _owner(address: str) -> int | None:
    """User id of the process that listens at a UNIX address; None where none listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
        except BlockingIOError:
            pass  # its queue is full: it listens, and its owner cannot be asked
        except OSError:
            return None
        else:
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return struct.unpack("3i", credentials)[1]
    return os.geteuid()


def _bind(host: str, port: int, share: bool) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _reason(flag: str, host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another process; stop it or give another --{flag}"
    return f"cannot listen on {host}:{port}: {error.strerror or error}; see --host and --{flag}"
