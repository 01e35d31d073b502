"""Load on one server: closed loop or open loop, gRPC or REST. A process of its own, as cheap as can be.

    python benchmarks/harness/load.py --protocol grpc --address 127.0.0.1:8500 --path METHOD \\
        --requests FILE --clients 16 --seconds 5 --server-pid PID

FILE is a pickled list of serialized request bodies. Frames and HTTP headers
are made once, before the clock starts; one thread writes them to sockets and
reads answers, and nothing of an answer is decoded but its status (gRPC's own
Python client costs five to ten times as much per call, on cores that the
server needs).

- Closed loop: each of N clients asks anew as soon as it has its answer.
- Open loop (--rate): requests are due at the times of a Poisson process,
  whether or not earlier ones are answered, and a latency counts from the
  moment its request was due (so a stall shows in all that should have come
  in it).

Prints one line of JSON: requests, seconds, rate, latencies in milliseconds,
errors, CPU seconds of this process and of the server's process tree.
"""

from __future__ import annotations

import argparse
import base64
import collections
import dataclasses
import json
import pickle
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

# The largest flow control window; what is read is handed back in time.
_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_FRAME = 16_384  # the largest DATA frame that every server takes
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_READ = 1 << 18
_DRAIN_SECONDS = 30.0  # how long the last answers are waited for

# (request's tag, ok or why not, the answer's bytes)
Done = Callable[[int, str, bytes], None]


@dataclasses.dataclass
class _Partly:
    """A message of which not all could be sent yet."""

    stream: int
    rest: bytes
    window: int


class GrpcConnection:
    """An HTTP/2 connection that carries unary calls of one method.

    Of HTTP/2 it speaks what such calls need: flow control both ways, SETTINGS,
    PING, and headers without a dynamic table (HEADER_TABLE_SIZE 0), so that a
    status can be read without an HPACK decoder.
    """

    parallel = True

    def __init__(self, host: str, port: int, path: str, done: Done) -> None:
        self.socket = _connect(host, port)
        self._done = done
        self._next_stream = 1
        self._tags: dict[int, int] = {}
        self._answers: dict[int, bytes] = {}
        self._buffer = b""
        self._consumed = 0
        self._window = _DEFAULT_WINDOW
        self._stream_window = _DEFAULT_WINDOW
        self._waiting: collections.deque[_Partly] = collections.deque()
        headers = _grpc_headers(f"{host}:{port}", path)
        self._headers = _frame_start(len(headers), _HEADERS, _END_HEADERS), headers
        settings = struct.pack(">HIHI", 1, 0, 4, _WINDOW)
        self.socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - _DEFAULT_WINDOW))
        )
        self._settled = False
        while not self._settled:  # the server's own window is known from here on
            self.receive()

    @staticmethod
    def prepare(body: bytes, host: str, path: str) -> bytes:
        """A gRPC message: not compressed, its length, itself."""
        del host, path
        return struct.pack(">BI", 0, len(body)) + body

    def send(self, tag: int, message: bytes) -> None:
        stream = self._next_stream
        self._next_stream += 2
        self._tags[stream] = tag
        start, headers = self._headers
        number = stream.to_bytes(4, "big")
        if self._waiting or len(message) > min(self._window, self._stream_window):
            self.socket.sendall(b"".join((start, number, headers)))
            self._waiting.append(_Partly(stream, message, self._stream_window))
            self._send_more()
            return
        self._window -= len(message)
        parts = [start, number, headers]
        last = (len(message) - 1) // _FRAME * _FRAME
        for at in range(0, last + 1, _FRAME):
            part = message[at : at + _FRAME]
            parts += [_frame_start(len(part), _DATA, _END_STREAM if at == last else 0), number, part]
        self.socket.sendall(b"".join(parts))

    def _send_more(self) -> None:
        """As much of what waits as the windows allow, oldest first."""
        while self._waiting:
            first = self._waiting[0]
            size = min(len(first.rest), self._window, first.window, _FRAME)
            if size <= 0:
                return
            part, first.rest = first.rest[:size], first.rest[size:]
            self._window -= size
            first.window -= size
            self.socket.sendall(_frame(_DATA, 0 if first.rest else _END_STREAM, first.stream, part))
            if not first.rest:
                self._waiting.popleft()

    def receive(self) -> None:
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        data = self._buffer + data
        at = 0
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3], "big")
            if len(data) - at < 9 + length:
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            self._frame(data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + length])
            at += 9 + length
        self._buffer = data[at:]
        if self._consumed > _WINDOW // 2:
            self.socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._consumed)))
            self._consumed = 0

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._consumed += len(payload)
            self._answers[stream] = self._answers.get(stream, b"") + payload
        elif kind == _HEADERS:
            if flags & _END_STREAM:
                good = b"grpc-status\x010" in payload
                why = "" if good else f"gRPC trailers {payload!r}"
                # The message stands behind its flag and length.
                self._finish(stream, why, self._answers.pop(stream, b"")[5:])
        elif kind == _RST:
            self._answers.pop(stream, None)
            # A server may reset a stream that it has answered.
            if stream in self._tags:
                self._finish(stream, f"stream reset, code {payload.hex()}", b"")
        elif kind == _WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self._window += more
            for partly in self._waiting:
                if partly.stream == stream:
                    partly.window += more
            self._send_more()
        elif kind == _SETTINGS:
            if not flags & _ACK:
                for at in range(0, len(payload), 6):
                    name, value = struct.unpack(">HI", payload[at : at + 6])
                    if name == 4:
                        for partly in self._waiting:
                            partly.window += value - self._stream_window
                        self._stream_window = value
                self._settled = True
                self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING:
            if not flags & _ACK:
                self.socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind in (_GOAWAY, _CONTINUATION):
            raise ConnectionError(f"unexpected HTTP/2 frame of kind {kind}: {payload!r}")

    def _finish(self, stream: int, why: str, answer: bytes) -> None:
        if self._waiting:  # what is left of a message that was answered early is not sent
            self._waiting = collections.deque(each for each in self._waiting if each.stream != stream)
        self._done(self._tags.pop(stream), why, answer)


class RestConnection:
    """An HTTP/1.1 connection that is kept alive: one request at a time."""

    parallel = False

    def __init__(self, host: str, port: int, path: str, done: Done) -> None:
        del path
        self.socket = _connect(host, port)
        self._done = done
        self._tag: int | None = None
        self._buffer = b""

    @staticmethod
    def prepare(body: bytes, host: str, path: str) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, tag: int, message: bytes) -> None:
        self._tag = tag
        self.socket.sendall(message)

    def receive(self) -> None:
        data = self.socket.recv(_READ)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        if at < 0:
            raise ConnectionError(f"an answer without Content-Length: {head!r}")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        body = self._buffer[end + 4 :]
        if len(body) < length:
            return
        tag, self._tag, self._buffer = self._tag, None, b""
        assert tag is not None
        status = head[9:12]
        why = "" if status == b"200" else f"HTTP {status.decode()}: {body[:200]!r}"
        self._done(tag, why, body)


class GetConnection(RestConnection):
    """The same for GET; a request's body is its path."""

    @staticmethod
    def prepare(body: bytes, host: str, path: str) -> bytes:
        del path
        return b"GET " + body + f" HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


Connection = GrpcConnection | RestConnection
_PROTOCOLS: dict[str, type[GrpcConnection] | type[RestConnection]] = {
    "grpc": GrpcConnection,
    "rest": RestConnection,
    "get": GetConnection,
}


class Load:
    """Sends requests over connections and notes when each was due and answered."""

    def __init__(self, kind: str, address: str, path: str, bodies: Sequence[bytes], connections: int) -> None:
        host, _, port = address.rpartition(":")
        made = _PROTOCOLS[kind]
        self._messages = [made.prepare(body, address, path) for body in bodies]
        self._connections: list[Connection] = [
            made(host, int(port), path, self._done) for _ in range(connections)
        ]
        self._by_socket = {connection.socket: connection for connection in self._connections}
        self._free: collections.deque[Connection] = collections.deque(self._connections)
        self._queue: collections.deque[int] = collections.deque()
        self._users: dict[int, Connection] = {}
        self._due: list[float] = []
        self._finished: list[float] = []
        self._on_answer: Callable[[], None] = lambda: None
        self._turn = 0
        self.errors: collections.Counter[str] = collections.Counter()
        self.first_answer = b""

    def closed(self, clients: int, seconds: float) -> None:
        """`clients` in flight, for so long; then waits for the last."""
        stop = time.perf_counter() + seconds

        def again() -> None:
            if time.perf_counter() < stop:
                self._submit(time.perf_counter())

        self._on_answer = again
        for _ in range(clients):
            self._submit(time.perf_counter())
        while time.perf_counter() < stop:
            self._wait(0.1)
        self._drain()

    def open(self, rate: float, seconds: float, seed: int) -> None:
        """`rate` requests a second, at random times, for so long; then waits for the last."""
        rng = random.Random(seed)
        self._on_answer = lambda: None
        now = time.perf_counter()
        stop, due = now + seconds, now + rng.expovariate(rate)
        while due < stop:
            now = time.perf_counter()
            while due <= now and due < stop:
                self._submit(due)
                due += rng.expovariate(rate)
            self._wait(max(0.0, min(due, stop) - time.perf_counter()))
        self._drain()

    def take(self, since: float, until: float) -> tuple[list[float], int]:
        """Latencies in seconds of the requests due in a window; how many were answered in it."""
        answered = sum(since <= end < until for end in self._finished)
        pairs = zip(self._due, self._finished, strict=True)
        return [end - due for due, end in pairs if since <= due < until], answered

    def _submit(self, due: float) -> None:
        tag = len(self._due)
        self._due.append(due)
        self._finished.append(0.0)
        if not self._free:
            self._queue.append(tag)
            return
        connection = self._free.popleft()
        if connection.parallel:
            self._free.append(connection)  # in turn
        self._send(connection, tag)

    def _send(self, connection: Connection, tag: int) -> None:
        self._users[tag] = connection
        connection.send(tag, self._messages[tag % len(self._messages)])

    def _done(self, tag: int, why: str, answer: bytes) -> None:
        self._finished[tag] = time.perf_counter()
        if why:
            self.errors[why] += 1
        elif not self.first_answer:
            self.first_answer = answer
        connection = self._users.pop(tag)
        if not connection.parallel:
            if self._queue:
                self._send(connection, self._queue.popleft())
            else:
                self._free.append(connection)
        self._on_answer()

    def _wait(self, seconds: float) -> None:
        # select, because its timeout is finer than epoll's millisecond.
        ready, _, _ = select.select(list(self._by_socket), [], [], seconds)
        for found in ready:
            self._by_socket[found].receive()

    def _drain(self) -> None:
        self._on_answer = lambda: None
        end = time.perf_counter() + _DRAIN_SECONDS
        while self._users or self._queue:
            if time.perf_counter() > end:
                raise TimeoutError(f"{len(self._users)} requests were not answered in {_DRAIN_SECONDS:g} s")
            self._wait(0.1)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    process = psutil.Process(pid)
    times = [member.cpu_times() for member in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of them do not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def measure(args: argparse.Namespace) -> dict[str, object]:
    bodies = pickle.loads(Path(args.requests).read_bytes())
    random.Random(args.seed).shuffle(bodies)
    connections = args.connections if args.protocol == "grpc" else max(args.clients, args.connections)
    connections = min(connections, args.clients) if not args.rate else connections
    load = Load(args.protocol, args.address, args.path, bodies, connections)

    def run(seconds: float) -> None:
        if args.rate:
            load.open(args.rate, seconds, args.seed)
        else:
            load.closed(args.clients, seconds)

    run(args.warm_up)
    server, own = cpu_seconds(args.server_pid), time.process_time()
    since = time.perf_counter()
    run(args.seconds)
    until = time.perf_counter()
    server, own = cpu_seconds(args.server_pid) - server, time.process_time() - own
    latencies, answered = load.take(since, until)
    if not latencies:
        sys.exit("no request was answered; raise --seconds")
    latencies.sort()
    return {
        "requests": answered,
        "seconds": until - since,
        "rate": answered / (until - since),
        "errors": sum(load.errors.values()),
        "error_kinds": dict(load.errors.most_common(3)),
        "milliseconds": {
            name: 1e3 * percentile(latencies, share)
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
        },
        "server_cpu_microseconds": 1e6 * server / answered,
        "client_cpu_microseconds": 1e6 * own / answered,
        "first_answer": base64.b64encode(load.first_answer).decode(),
    }


def _connect(host: str, port: int) -> socket.socket:
    made = socket.create_connection((host, port), timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    return made


def _frame_start(length: int, kind: int, flags: int) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, flags))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _frame_start(len(payload), kind, flags) + stream.to_bytes(4, "big") + payload


def _grpc_headers(authority: str, path: str) -> bytes:
    """A header block of HPACK literals (RFC 7541): no table, no Huffman code."""

    def text(value: str) -> bytes:
        raw = value.encode()
        if len(raw) > 126:
            raise ValueError(f"{value!r} is too long a header for this client")
        return bytes((len(raw),)) + raw

    post, http = b"\x83", b"\x86"
    return (
        post
        + http
        + b"\x04" + text(path)
        + b"\x01" + text(authority)
        + b"\x0f\x10" + text("application/grpc")
        + b"\x00" + text("te") + text("trailers")
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", choices=sorted(_PROTOCOLS), required=True)
    parser.add_argument("--address", required=True, help="host:port")
    parser.add_argument("--path", required=True, help="gRPC method or URL path")
    parser.add_argument("--requests", required=True, help="pickled list of request bodies")
    parser.add_argument("--clients", type=int, default=1, help="in flight at once (closed loop)")
    parser.add_argument("--connections", type=int, default=8, help="gRPC channels; open loop: also REST's")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second (open loop)")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
