"""Unary calls on gRPC's completion queue and on grpc.aio, asked by gRPC's own client."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.servers.held_back import HeldBack

from serving.model_server.api import grpc_servers, unary_calls
from serving.model_server.api.grpc_servers import AioServer, QueueServer
from serving.model_server.api.unary_calls import Call, Handler, Reply

METHOD = "/test.Service/Method"
OTHER = "/test.Other/Method"
Kind = type[QueueServer] | type[AioServer]


class Running:
    """A server whose METHOD is answered by a handler, and which has another service beside it."""

    def __init__(self, kind: Kind, handler: Handler, options: tuple[tuple[str, int], ...] = ()) -> None:
        self.server = kind({METHOD: handler}, options)
        if kind is AioServer:
            other = grpc.unary_unary_rpc_method_handler(other_method)
        else:
            other = grpc.unary_unary_rpc_method_handler(lambda request, context: b"other " + request)
        self.server.services.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Other", {"Method": other}),)
        )
        self.port = self.server.services.add_insecure_port("127.0.0.1:0")


async def other_method(request: bytes, context: Any) -> bytes:
    return b"other " + request


@pytest.fixture(params=[QueueServer, AioServer])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@asynccontextmanager
async def running(kind: Kind, handler: Handler, *options: tuple[str, int]) -> AsyncIterator[Any]:
    found = Running(kind, handler, options)
    await found.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{found.port}") as channel:
        yield channel
    await found.server.stop(0)


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(body(), 120)

    asyncio.run(main())


async def echo(raw: bytes, call: Call) -> Reply:
    return Reply(raw)


async def status(call: Any) -> tuple[grpc.StatusCode, str]:
    return await call.code(), await call.details()


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_every_call_gets_its_own_answer(kind: Kind, size: int) -> None:
    async def shuffled(raw: bytes, call: Call) -> Reply:
        # Later calls overtake earlier ones.
        await asyncio.sleep(0.02 if raw[-1:] == b"0" else 0)
        return Reply(raw)

    async def body() -> None:
        async with running(kind, shuffled) as channel:
            ask = channel.unary_unary(METHOD)
            sent = [b"x" * size + str(number).encode() for number in range(300)]
            assert await asyncio.gather(*[ask(raw) for raw in sent]) == sent

    run(body)


def test_other_services_of_the_server_are_answered_beside_it(kind: Kind) -> None:
    async def body() -> None:
        async with running(kind, echo) as channel:
            answers = await asyncio.gather(
                *[channel.unary_unary(path)(b"x") for path in (METHOD, OTHER) * 20]
            )
            assert answers == [b"x", b"other x"] * 20
            assert (await status(channel.unary_unary("/test.Service/None")(b"")))[
                0
            ] is grpc.StatusCode.UNIMPLEMENTED

    run(body)


def test_the_handler_sees_metadata_deadline_and_peer_and_sets_status_and_trailing(kind: Kind) -> None:
    seen: list[tuple[Any, ...]] = []

    async def handler(raw: bytes, call: Call) -> Reply:
        left = None if call.deadline is None else call.deadline - time.monotonic()
        seen.append((dict(call.metadata), left, call.peer()))
        return Reply(None, 5, "no such thing ✗", (("x-id", "7"),))

    async def body() -> None:
        async with running(kind, handler) as channel:
            ask = channel.unary_unary(METHOD)
            first = ask(b"", timeout=40, metadata=(("x-a", "b"),))
            assert await status(first) == (grpc.StatusCode.NOT_FOUND, "no such thing ✗")
            assert dict(await first.trailing_metadata()) == {"x-id": "7"}
            assert (await status(ask(b"")))[0] is grpc.StatusCode.NOT_FOUND

    run(body)
    (metadata, left, peer), (_, none, _) = seen
    assert metadata["x-a"] == "b"
    assert 0 < left < 41  # on the wire it has three digits
    assert none is None
    assert peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize("how", ["cancel", "deadline"])
def test_a_handler_is_cancelled_when_nobody_waits(kind: Kind, how: str) -> None:
    async def body() -> None:
        began, ended = asyncio.Event(), asyncio.Event()

        async def handler(raw: bytes, call: Call) -> Reply:
            if raw == b"quick":
                return Reply(raw)
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            return Reply(b"never")

        async with running(kind, handler) as channel:
            ask = channel.unary_unary(METHOD)
            call = ask(b"slow", timeout=None if how == "cancel" else 0.5)
            await began.wait()
            if how == "cancel":
                call.cancel()
            await ended.wait()
            assert await ask(b"quick") == b"quick"

    run(body)


def test_a_call_without_or_with_two_messages_is_unimplemented_or_cut_off() -> None:
    async def body() -> None:
        async with running(QueueServer, echo) as channel:
            none = channel.stream_unary(METHOD)(iter(()))
            assert await status(none) == (
                grpc.StatusCode.UNIMPLEMENTED,
                f'"{METHOD}" requires exactly one request message.',
            )
            # The first message is the request, as in gRPC's own server.
            assert await channel.stream_unary(METHOD)(iter((b"1", b"2"))) == b"1"

    run(body)


def test_a_message_above_the_limit_is_refused_and_the_next_call_answered(kind: Kind) -> None:
    async def body() -> None:
        async with running(kind, echo, ("grpc.max_receive_message_length", 1000)) as channel:
            ask = channel.unary_unary(METHOD)
            code, _ = await status(ask(b"x" * 1001))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert await ask(b"x" * 1000) == b"x" * 1000

    run(body)


@pytest.mark.parametrize(("most", "seconds", "refused"), [(2, 60.0, 4), (100, 0.5, 6)])
def test_messages_that_are_held_back_are_few_and_not_for_ever(
    most: int, seconds: float, refused: int
) -> None:
    """gRPC keeps what has come of a message for as long as its client likes."""

    async def body() -> None:
        server = QueueServer({METHOD: echo}, [("grpc.max_receive_message_length", 8 << 20)], most, seconds)
        port = server.services.add_insecure_port("127.0.0.1:0")
        await server.start()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            held = HeldBack(connection, METHOD, 6, 4 << 20)
            while held.ended < refused:
                await asyncio.to_thread(held.go_on, 0.1)
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    assert await channel.unary_unary(METHOD)(bytes(200_000)) == bytes(200_000)
            await asyncio.to_thread(held.go_on, 1.0)
            assert held.ended == refused
        await server.stop(0)

    run(body)


@given(most=st.integers(1, 6), owners=st.lists(st.integers(0, 4), max_size=20))
def test_of_too_many_messages_those_of_the_greediest_address_go(most: int, owners: list[int]) -> None:
    @dataclasses.dataclass(frozen=True)
    class Held:
        at: int
        owner: int

        def peer(self) -> str:
            return f"ipv4:10.0.0.{self.owner}:{4000 + self.at}"

    calls = [Held(at, owner) for at, owner in enumerate(owners)]
    gone = unary_calls.beyond(most, calls)  # type: ignore[type-var]
    left = [call for call in calls if call not in gone]
    assert len(left) == min(most, len(calls))
    counts = collections.Counter(call.owner for call in left)
    for call in gone:
        # Nobody keeps two more than who lost one, and who lost one lost their newest.
        assert max(counts.values()) <= counts[call.owner] + 1
        assert all(other.at < call.at for other in left if other.owner == call.owner)


def test_what_waits_behind_others_in_the_queue_is_not_held_back() -> None:
    """A loop that stood still finds messages there that no look has met."""

    async def body() -> None:
        server = QueueServer({METHOD: echo}, (), 1, 60.0)
        port = server.services.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for _ in range(3):
                calls = [asyncio.ensure_future(channel.unary_unary(METHOD)(b"x")) for _ in range(200)]
                await asyncio.sleep(0.01)
                time.sleep(0.6)  # the event loop stands still
                assert await asyncio.gather(*calls) == [b"x"] * 200
        await server.stop(0)

    run(body)


def test_a_bug_in_a_handler_ends_its_call_alone(kind: Kind) -> None:
    async def handler(raw: bytes, call: Call) -> Reply:
        if raw == b"bug":
            raise ZeroDivisionError("on purpose")
        return Reply(raw)

    async def body() -> None:
        async with running(kind, handler) as channel:
            ask = channel.unary_unary(METHOD)
            assert (await status(ask(b"bug"))) == (
                grpc.StatusCode.INTERNAL,
                "ZeroDivisionError: on purpose",
            )
            assert await ask(b"fine") == b"fine"

    run(body)


@pytest.mark.parametrize("grace", [30.0, 0.2])
def test_a_stop_lets_calls_end_for_so_long(kind: Kind, grace: float) -> None:
    async def body() -> None:
        began, go_on = asyncio.Event(), asyncio.Event()

        async def handler(raw: bytes, call: Call) -> Reply:
            began.set()
            await go_on.wait()
            return Reply(raw)

        found = Running(kind, handler)
        await found.server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{found.port}") as channel:
            under_way = channel.unary_unary(METHOD)(b"first")
            await began.wait()
            stopping = asyncio.ensure_future(found.server.stop(grace))
            if grace > 1:
                await asyncio.sleep(0.2)
                assert not stopping.done()
                go_on.set()
                assert await under_way == b"first"
            else:
                code, _ = await status(under_way)
                assert code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
            await stopping

    run(body)


def test_a_server_that_never_started_can_be_stopped(kind: Kind) -> None:
    async def body() -> None:
        await Running(kind, echo).server.stop(0)

    run(body)


def test_where_a_private_part_has_moved_grpc_aio_takes_over_with_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        assert isinstance(grpc_servers.make({METHOD: echo}, ()), QueueServer)
        for parts, name in ((unary_calls.cygrpc, "SendMessageOperation"), (unary_calls, "cygrpc")):
            caplog.clear()
            with monkeypatch.context() as moved:
                if parts is unary_calls:
                    moved.setattr(unary_calls, "cygrpc", None)  # as if it could not be imported
                else:
                    moved.delattr(parts, name)
                assert isinstance(grpc_servers.make({METHOD: echo}, ()), AioServer)
            [record] = caplog.records
            assert "gRPC is answered by grpc.aio" in record.getMessage()

    run(body)
