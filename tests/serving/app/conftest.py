"""A real model server with the pushed model of the session, and applications over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from support.servers.app import running, serve
from support.servers.model_servers import Server
from support.workspace import Workspace


@pytest.fixture(scope="session")
def model_server(pushed_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    base = pushed_workspace.artifacts / "serving_model" / "marquee"
    labels = {"canary": int(pushed_workspace.pushed[-1].name)}
    server = serve(base, tmp_path_factory.mktemp("model_server"), labels)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def api(model_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An application with a database of the module."""
    with running(model_server, tmp_path_factory.mktemp("app")) as client:
        yield client


@pytest.fixture
def popular(api: TestClient) -> list[str]:
    """Ids of well-known items, most popular first."""
    return [item["id"] for item in api.get("/v1/popular", params={"k": 50}).json()["items"]]


@pytest.fixture
def person(api: TestClient) -> str:
    """A new person."""
    made = api.post("/v1/people", json={})
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_
