"""Threads, event loops, sockets and TLS of the client."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from support.servers.certificates import Authority
from support.servers.scripted_server import Script, grpc_server, rest_server

import contract
from serving.client import AsyncClient, Client, Code, Retry, ServingError, Tls

ROOT = Path(__file__).parents[3]
RANKING = {contract.ITEM_IDS: [["1", "6", ""]], contract.SCORES: [[0.5, 0.25, 0.0]]}
# As fast as a test wants to see four attempts.
QUICK = Retry(first_delay_s=0.001)

Serve = Callable[..., contextlib.AbstractContextManager[str]]


def test_many_threads_share_a_client(serve):
    script = Script([RANKING])
    with serve(script) as address, Client(address) as client, futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: client.similar(str(number)).ids, range(64)))
    assert answers == [["1", "6"]] * 64
    assert sorted(int(seen.inputs[contract.ITEM_ID][0]) for seen in script.seen) == list(range(64))


def test_many_tasks_share_an_async_client(serve):
    script = Script([RANKING])

    async def ask(address: str) -> list[list[str]]:
        # Sixty-four connections at once may wait for a busy machine longer than the default deadline.
        async with AsyncClient(address, timeout_s=60) as client:
            rankings = await asyncio.gather(*(client.similar(str(number)) for number in range(64)))
        return [ranking.ids for ranking in rankings]

    with serve(script) as address:
        assert asyncio.run(ask(address)) == [["1", "6"]] * 64


def test_a_client_may_be_closed_and_asked_again(serve):
    with serve(Script([RANKING])) as address:
        client = Client(address)
        client.close()
        assert client.similar("1").ids == ["1", "6"]
        client.close()
        assert client.similar("1").ids == ["1", "6"]
        client.close()
        client.close()


def test_a_unix_socket(tmp_path):
    address = f"unix:{tmp_path / 'grpc.sock'}"
    with grpc_server(Script([RANKING]), address), Client(address) as client:
        assert client.similar("1").ids == ["1", "6"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def _secured(serve: Serve, script: Script, authority: Authority, name: str, mutual: bool):
    pair = authority.issue(name, name, *(["127.0.0.1"] if name == "localhost" else []))
    if serve is grpc_server:
        read = [(Path(pair.key).read_bytes(), Path(pair.certificate).read_bytes())]
        ca = Path(authority.ca).read_bytes()
        return grpc_server(
            script, credentials=grpc.ssl_server_credentials(read, ca if mutual else None, mutual)
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if mutual:
        context.load_verify_locations(authority.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return rest_server(script, context=context)


def test_tls(serve, authority, tmp_path):
    other = Authority(tmp_path, "other").ca
    with _secured(serve, Script([RANKING]), authority, "localhost", mutual=False) as address:
        with Client(address, tls=Tls(authority.ca)) as client:
            assert client.similar("1").ids == ["1", "6"]
        with Client(address, tls=Tls(other), retry=QUICK) as client, pytest.raises(ServingError) as error:
            client.similar("1")
        assert error.value.code is Code.UNAVAILABLE


def test_mutual_tls_and_another_name(serve, authority):
    ours = authority.issue("client")
    with _secured(serve, Script([RANKING]), authority, "models.internal", mutual=True) as address:
        tls = Tls(authority.ca, ours.certificate, ours.key, "models.internal")
        with Client(address, tls=tls) as client:
            assert client.similar("1").ids == ["1", "6"]
        for wrong in (
            Tls(authority.ca, server_name="models.internal"),
            Tls(authority.ca, ours.certificate, ours.key),
        ):
            with Client(address, tls=wrong, retry=QUICK) as client, pytest.raises(ServingError):
                client.similar("1")
