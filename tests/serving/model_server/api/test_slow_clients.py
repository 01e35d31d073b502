"""Clients that send slowly, too much or nothing hold nobody up."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.servers.in_process import parts, rest_port

from serving.model_server.api import json_tensors
from serving.model_server.execution.predict import DataPlane
from serving.model_server.listening.packed_bodies import Unpacker
from serving.model_server.process.options import ServerOptions

_HEADER_S = 0.5
_BODY_S = 0.5
_MAX_BODY = 10_000
HEAD = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def serving(
    body_seconds: float, max_body: int = _MAX_BODY, pending_bytes: int = 1 << 30
) -> AsyncIterator[int]:
    """The REST API of a server without models, with short limits; gives its port."""
    options = ServerOptions(rest_api_max_body_bytes=max_body)
    async with parts() as used, rest_port(used, options, pending_bytes, _HEADER_S, body_seconds) as port:
        yield port


def run(test: Callable[[int], Awaitable[None]], body_seconds: float = _BODY_S, **limits: int) -> None:
    async def main() -> None:
        async with serving(body_seconds, **limits) as port:
            await asyncio.wait_for(test(port), 60)

    asyncio.run(main())


async def exchange(port: int, *parts: bytes, pause: float = 0.0, end: bool = False) -> bytes:
    """Sends the parts, one after the other; returns all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if end:
            writer.write_eof()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def answers(port: int) -> None:
    """An ordinary client is answered."""
    found = await exchange(port, b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Could not find any versions of model m" in found


def test_a_client_that_sends_nothing_is_disconnected() -> None:
    async def test(port: int) -> None:
        waiting = asyncio.ensure_future(exchange(port))
        await answers(port)
        assert await waiting == b""

    run(test)


def test_a_client_that_does_not_end_its_headers_in_time_is_disconnected() -> None:
    async def test(port: int) -> None:
        path = b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        lines = [path, *[b"X-A: b\r\n"] * 20, b"\r\n"]
        waiting = asyncio.ensure_future(exchange(port, *lines, pause=0.1))
        await answers(port)
        assert await waiting == b""  # the same request in one piece is answered

    run(test)


def test_a_body_that_does_not_come_is_408() -> None:
    async def test(port: int) -> None:
        waiting = asyncio.ensure_future(exchange(port, HEAD + b"Content-Length: 100\r\n\r\n{"))
        await answers(port)
        found = await waiting
        assert found.startswith(b"HTTP/1.1 408 ")
        assert b"the request's body was not there after 0.5 seconds" in found

    run(test)


def test_many_slow_clients_hold_up_nobody() -> None:
    async def test(port: int) -> None:
        slow = [
            asyncio.ensure_future(exchange(port, HEAD + b"Content-Length: 100\r\n\r\n{")) for _ in range(300)
        ]
        for _ in range(20):
            await answers(port)
        assert not any(client.done() for client in slow), "answered only once the slow ones were gone"
        for client in slow:
            client.cancel()

    run(test, body_seconds=3600.0)


def test_a_body_beyond_the_limit_is_413() -> None:
    async def test(port: int) -> None:
        announced = await exchange(port, HEAD + b"Content-Length: 20000\r\n\r\n")
        assert announced.startswith(b"HTTP/1.1 413 ")
        assert b"larger than 10000 bytes" in announced
        chunks = b"7d0\r\n" + b" " * 2000 + b"\r\n"
        chunked = await exchange(port, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks * 8)
        assert chunked.startswith(b"HTTP/1.1 413 ")

    run(test)


def test_bodies_that_are_held_back_leave_room_for_others() -> None:
    """Each was bounded, their number was not."""
    part = b" " * 500_000
    head = HEAD + b"Content-Length: 1000000\r\n\r\n"

    async def test(port: int) -> None:
        holding = [asyncio.ensure_future(exchange(port, head + part)) for _ in range(8)]
        done, held = await asyncio.wait(holding, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 6:  # two of them fit
            more, held = await asyncio.wait(held, timeout=30, return_when=asyncio.FIRST_COMPLETED)
            done |= more
        for client in done:
            assert client.result().startswith(b"HTTP/1.1 429 ")
            assert b"are beyond the 1000000 of --max_pending_request_bytes" in client.result()
        # Requests of ordinary size are answered.
        small = b'{"instances": [1]}'
        body = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(small) + small
        assert (await exchange(port, body)).startswith(b"HTTP/1.1 404 ")
        # What a client held is free once it has left.
        for client in held:
            client.cancel()
        await asyncio.wait(held)
        large = b'{"instances": [1]}' + b" " * 900_000
        whole = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(large) + large
        while not (answer := await exchange(port, whole)).startswith(b"HTTP/1.1 404 "):
            assert answer.startswith(b"HTTP/1.1 429 ")
            await asyncio.sleep(0.05)

    run(test, body_seconds=3600.0, max_body=1 << 20, pending_bytes=1_000_000)


def test_a_small_body_that_unpacks_to_much_is_413() -> None:
    async def test(port: int) -> None:
        bomb = gzip.compress(b" " * 10_000_000)
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        assert (await exchange(port, head + bomb)).startswith(b"HTTP/1.1 413 ")

    run(test)


def test_a_small_body_that_unpacks_to_much_leaves_the_event_loop_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the part that is looked at nor the rest of a refused body is unpacked there."""
    here, there = 0, 0
    unpack = Unpacker.part

    def counted(self: Unpacker, size: int) -> bytes:
        nonlocal here, there
        found = unpack(self, size)
        if threading.current_thread() is threading.main_thread():
            here += len(found)
        else:
            there += len(found)
        return found

    monkeypatch.setattr(Unpacker, "part", counted)

    async def test(port: int) -> None:
        bomb = gzip.compress(bytes(64 << 20))
        head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        assert (await exchange(port, head + bomb)).startswith(b"HTTP/1.1 413 ")

    run(test, max_body=8 << 20)
    assert here <= 1 << 16
    assert 8 << 20 < here + there < 10 << 20


def test_packed_bodies_of_any_size_and_kind_are_read() -> None:
    async def test(port: int) -> None:
        for size in (0, 70_000, 3_000_000):
            plain = b'{"instances": [1]}' + b" " * size
            halves = gzip.compress(plain[:10]) + gzip.compress(plain[10:])
            headless = zlib.compressobj(wbits=-15)
            packed = {
                "gzip": (gzip.compress(plain), halves),
                "Deflate": (zlib.compress(plain), headless.compress(plain) + headless.flush()),
                "identity": (plain,),
            }
            for encoding, bodies in packed.items():
                for body in bodies:
                    head = HEAD + f"Connection: close\r\nContent-Encoding: {encoding}\r\n".encode()
                    found = await exchange(port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                    assert found.startswith(b"HTTP/1.1 404 "), (encoding, size, found)
        unknown = HEAD + b"Connection: close\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}"
        found = await exchange(port, unknown)
        assert found.startswith(b"HTTP/1.1 400 ") and b'must be gzip or deflate, got \\"br\\"' in found

    run(test, max_body=8 << 20)


def test_a_body_that_does_not_unpack_is_400() -> None:
    async def test(port: int) -> None:
        half = gzip.compress(b'{"instances": [' + b",".join(b"%d" % (n * n) for n in range(300)))
        # The last two lack their check sum: all of it may be there, or another one's may be.
        for body in (b"no gzip at all", half[:200], zlib.compress(b"{}"), half[:-8], half + half[:-1]):
            head = HEAD + b"Connection: close\r\nContent-Encoding: gzip\r\n"
            found = await exchange(port, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert found.startswith(b"HTTP/1.1 400 "), (body, found)

    run(test)


def test_what_is_no_http_is_400() -> None:
    async def test(port: int) -> None:
        for garbage in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"):
            found = await exchange(port, garbage)
            assert found.startswith(b"HTTP/1.") is False or b" 400 " in found.splitlines()[0]
        await answers(port)

    run(test)


def test_a_client_that_leaves_is_no_error() -> None:
    async def test(port: int) -> None:
        for _ in range(20):
            await exchange(port, HEAD + b"Content-Length: 100\r\n\r\n{", end=True)
        await answers(port)

    run(test)


def test_the_body_of_a_client_that_has_left_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0
    read = json_tensors.read_predict

    def counted(body: bytes) -> Any:
        nonlocal decoded
        decoded += 1
        return read(body)

    monkeypatch.setattr(json_tensors, "read_predict", counted)
    body = b'{"instances": [1]}' + b" " * 100_000

    def leave(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def test(port: int) -> None:
        for _ in range(20):
            await asyncio.to_thread(leave, port)
        await answers(port)

    run(test, max_body=1 << 20)
    assert decoded < 10


def test_the_liveness_probe_fails_once_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 59.0
    monkeypatch.setattr(DataPlane, "stalled_seconds", lambda self: seconds)

    async def test(port: int) -> None:
        nonlocal seconds
        probe = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await exchange(port, probe)).startswith(b"HTTP/1.1 200 ")
        seconds = 61.0
        found = await exchange(port, probe)
        assert found.startswith(b"HTTP/1.1 503 ")
        assert b"requests have waited for 61 s, and none was answered meanwhile" in found

    run(test)
