"""One JSON line per request. No value of a request is in it, and so no person's id."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import secrets
import sys
import threading
import time
from pathlib import Path

import orjson

from serving.protocol.errors import Code

_log = logging.getLogger(__name__)

# Lines that may wait for the disk; what comes on top is dropped and counted.
_MAX_WAITING = 100_000
_SECONDS_BETWEEN_WRITES = 0.2
# Between two mentions of lines that are lost.
_REMIND_S = 60.0
# How long the end of the server waits for the last lines.
_CLOSE_SECONDS = 2.0
_PREFIX = secrets.token_hex(6)
_numbers = itertools.count()
_MAX_ID = 128
_MAX_NAME = 256


@dataclasses.dataclass(slots=True)
class Access:
    """What is logged of one request; filled in as it becomes known.

    Attributes:
      request_id: as the client sent it, else made here.
      api: GRPC or REST.
      method: Predict, Classify, ...; of REST also what was no API call.
      peer: address of the client.
      model, version, signature: of the request, then of the answer.
      rows: of the batch that the request brought.
      request_bytes: of its message; 0 over REST.
      started: time.perf_counter() at its arrival.
    """

    request_id: str
    api: str
    method: str
    peer: str = ""
    model: str = ""
    version: int | None = None
    signature: str = ""
    rows: int | None = None
    request_bytes: int = 0
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def seconds(self) -> float:
        """Time since its arrival."""
        return time.perf_counter() - self.started


def request_id(sent: str | None) -> str:
    """The client's id if it is one that can be returned in a header, else a new one."""
    if sent and len(sent) <= _MAX_ID and sent.isascii() and sent.isprintable():
        return sent
    return f"{_PREFIX}-{next(_numbers):x}"


class AccessLog:
    """Writes lines from a thread of its own: a full pipe or slow disk holds up no request.

    Several processes may write to one file. Where it cannot be opened, or takes no more, its lines are lost,
    which the server's own log says once a minute; it is tried again with the next ones.

    Args:
      target: file to append to, or "-" for stdout.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._file: int | None = os.dup(sys.stdout.fileno()) if target == "-" else None
        if target != "-":
            self._take(target)
        self._reopen = False
        self._waiting: list[tuple[float, float, Code, Access]] = []
        self._dropped = 0
        self._lost = 0
        self._said = -_REMIND_S
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="access_log", daemon=True)
        self._thread.start()

    def write(self, access: Access, code: Code) -> None:
        """Logs a request that is answered."""
        if len(self._waiting) < _MAX_WAITING:
            self._waiting.append((time.time(), access.seconds(), code, access))
        else:
            self._dropped += 1

    def reopen(self) -> None:
        """Goes on in a new file of the same name: the old one was renamed, by logrotate for instance."""
        self._reopen = self._target != "-"

    def close(self) -> None:
        """Writes what waits; gives up on a pipe that is not read."""
        self._closing.set()
        self._thread.join(_CLOSE_SECONDS)
        if self._thread.is_alive():
            _log.error("access log: its last lines are lost: the file or pipe takes none")
        elif self._file is not None:
            os.close(self._file)

    def _take(self, target: str) -> None:
        try:
            opened = _open(target)
        except OSError as error:  # its folder is gone, say: the file that is open takes the lines
            goes_on = "its lines are lost until it can be" if self._file is None else "the old file goes on"
            _log.error("access log: %s cannot be opened anew: %s; %s", target, error.strerror, goes_on)
            return
        if self._file is not None:
            os.close(self._file)
        self._file = opened

    def _write_all(self) -> None:
        closing, reason = False, ""
        while not closing:
            closing = self._closing.wait(_SECONDS_BETWEEN_WRITES)
            if self._reopen:
                self._reopen = False
                self._take(self._target)
            waiting, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
            if dropped:
                _log.error("access log: %d lines dropped, they come faster than they are written", dropped)
            try:
                if waiting and self._file is None:
                    self._file = _open(self._target)
                _write_fully(self._file, b"".join(map(_line, waiting)))
            except Exception as error:  # noqa: BLE001 (lines that cannot be written end no others)
                self._lost += len(waiting)
                reason = f"{type(error).__name__}: {error}"
            if self._lost and (closing or time.monotonic() - self._said > _REMIND_S):
                _log.error("access log: %d lines lost: %s", self._lost, reason)
                self._lost, self._said = 0, time.monotonic()


def check(target: str) -> None:
    """Whether there can be such a log. A pipe is left alone: to open and close it would end its reader.

    Raises:
      OSError: the file cannot be opened.
    """
    path = Path(target)
    if target not in ("", "-") and (path.is_file() or not path.exists()):
        os.close(_open(target))


def _open(target: str) -> int:
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


def _line(entry: tuple[float, float, Code, Access]) -> bytes:
    ended, seconds, code, access = entry
    return orjson.dumps(
        {
            "time": round(ended, 3),
            "request_id": access.request_id,
            "api": access.api,
            "method": access.method,
            "model": _text(access.model),
            "version": access.version,
            "signature": _text(access.signature),
            "status": code.name,
            "latency_ms": round(seconds * 1000, 3),
            "rows": access.rows,
            "peer": access.peer,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _text(name: str) -> str:
    """A name as a client sent it, which may be of any length and, over REST, no UTF-8."""
    return name[:_MAX_NAME].encode("utf-8", "backslashreplace").decode()


def _write_fully(file: int | None, data: bytes) -> None:
    view = memoryview(data)
    while view and file is not None:
        view = view[os.write(file, view) :]
