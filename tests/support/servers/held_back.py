"""A client of gRPC that sends all of a message but its last byte, which no library does (RFC 9113)."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import struct
import time

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _WINDOW = 0, 1, 3, 4, 6, 8
_END_HEADERS = 4
_FRAME = 16_384
_FIRST_WINDOW = 65_535


@dataclasses.dataclass
class _Stream:
    left: int  # bytes, the one that never comes not among them
    window: int = _FIRST_WINDOW
    begun: bool = False


class HeldBack:
    """Calls on one connection, each with a message of so many bytes.

    Args:
      connection: to a server without TLS.
      path: of the method.
      calls: how many.
      size: bytes of each message.

    Attributes:
      ended: how many of the calls the server has given up.
    """

    def __init__(self, connection: socket.socket, path: str, calls: int, size: int) -> None:
        self._connection = connection
        self._size = size
        self._window = _FIRST_WINDOW
        self._first_window = _FIRST_WINDOW
        self._streams = {2 * number + 1: _Stream(size + 5 - 1) for number in range(calls)}
        self._calls = calls
        self._read = b""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "x",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        # Literal header fields, never indexed: RFC 7541, 6.2.2.
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b""))
        for stream in self._streams:
            connection.sendall(_frame(_HEADERS, _END_HEADERS, stream, block))

    @property
    def ended(self) -> int:
        return self._calls - len(self._streams)

    def go_on(self, seconds: float) -> None:
        """Sends what the server takes, and reads what it says, for so long; OSError once it has closed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, stream in list(self._streams.items()):
                count = min(stream.left, stream.window, self._window, _FRAME)
                if count <= 0:
                    continue
                prefix = b"" if stream.begun else struct.pack(">BI", 0, self._size)
                self._connection.settimeout(5)
                self._connection.sendall(_frame(_DATA, 0, number, prefix + bytes(count - len(prefix))))
                stream.begun = True
                stream.left -= count
                stream.window -= count
                self._window -= count
            self._connection.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                if not (part := self._connection.recv(1 << 16)):
                    raise ConnectionResetError("the server has closed")
                self._read += part
            self._take_frames()

    def _take_frames(self) -> None:
        while len(self._read) >= 9 and len(self._read) >= 9 + (size := int.from_bytes(self._read[:3])):
            kind, flags = self._read[3:5]
            number = int.from_bytes(self._read[5:9]) & 0x7FFFFFFF
            body, self._read = self._read[9 : 9 + size], self._read[9 + size :]
            if kind == _SETTINGS and not flags & 1:
                for name, value in struct.iter_unpack(">HI", body):
                    if name == 4:  # SETTINGS_INITIAL_WINDOW_SIZE
                        for stream in self._streams.values():
                            stream.window += value - self._first_window
                        self._first_window = value
                self._connection.sendall(_frame(_SETTINGS, 1, 0, b""))
            elif kind == _PING and not flags & 1:
                self._connection.sendall(_frame(_PING, 1, 0, body))
            elif kind == _WINDOW and not number:
                self._window += int.from_bytes(body)
            elif kind == _WINDOW and number in self._streams:
                self._streams[number].window += int.from_bytes(body)
            elif kind == _RESET:
                self._streams.pop(number, None)


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body
