"""Which server is asked, and how.

    pytest tests/serving/conformance                                  ours, started here
    pytest tests/serving/conformance --server-command "tensorflow_model_server"
    pytest tests/serving/conformance --target HOST:8500 --rest-target HOST:8501

A target must serve the models that `--write-models FOLDER` writes, with the
flags that it prints. Tests that need a server with other flags or files start
one; with --target they are skipped.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.models import conformance_models
from support.servers.model_servers import OUR_COMMAND, Server, Target, start, wait_until


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--target", default=None, help="gRPC address of a server that is asked instead of ours")
    group.addoption("--rest-target", default=None, help="its REST address; without it REST is not tested")
    group.addoption("--server-command", default=None, help="what starts a server, instead of ours")
    group.addoption("--write-models", default=None, help="write the models that a target must serve, and end")


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--write-models", default=None)
    if folder:
        out = Path(folder).resolve()
        out.mkdir(parents=True, exist_ok=True)
        conformance_models.write(out)
        flags = "\n  ".join(flag.format(out) for flag in conformance_models.FLAGS)
        pytest.exit(f"written; start the server with\n  {flags}", returncode=0)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models; tests must not change it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "conformance_models"
    with (base / "conformance_models.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            writing = base / "conformance_models_writing"
            writing.mkdir()
            conformance_models.write(writing)
            writing.rename(folder)
            (folder / conformance_models.CONFIG).write_text(conformance_models.config(folder))
    return folder


@pytest.fixture(scope="session")
def server_command(request: pytest.FixtureRequest) -> list[str]:
    """What starts a server; skips where one is given that cannot be restarted."""
    if request.config.getoption("--target", default=None):
        pytest.skip("needs a server started with other flags or files, and --target is already running")
    command = request.config.getoption("--server-command", default=None)
    if command:
        return shlex.split(command)
    return list(OUR_COMMAND)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The server that serves the models."""
    given = request.config.getoption("--target", default=None)
    if given:
        yield Target(given, request.config.getoption("--rest-target", default=None))
        return
    command = request.getfixturevalue("server_command")
    models = request.getfixturevalue("models")
    flags = [flag.format(models) for flag in conformance_models.FLAGS]
    server = start(command, flags, tmp_path_factory.mktemp("server"))
    # A server opens with one version of each model; the others follow.
    wait_until(lambda: all(server.available(conformance_models.HALF, version) for version in (1, 2)))
    yield server
    server.stop()


@pytest.fixture
def rest(target: Target) -> Target:
    """The server, if its REST address is known."""
    if target.rest is None:
        pytest.skip("needs --rest-target")
    return target


@pytest.fixture(scope="module")
def start_server(
    server_command: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Server]]:
    """Starts a server with flags of the test's own; it is stopped after the module."""
    started: list[Server] = []

    def start_one(*flags: str, **options: object) -> Server:
        folder = tmp_path_factory.mktemp("server")
        server = start(server_command, list(flags), folder, **options)  # type: ignore[arg-type]
        started.append(server)
        return server

    yield start_one
    for server in started:
        server.stop()
