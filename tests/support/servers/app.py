"""The application in the test's process, over a real model server."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi.testclient import TestClient
from pydantic import SecretStr
from support.servers.model_servers import OUR_COMMAND, Server, start, wait_until

from benchmarks.harness.ports import free_port
from serving.app.factory import create_app
from serving.app.settings import Settings
from serving.app.store import migrate


def serve(base: Path, folder: Path, labels: Mapping[str, int] | None = None) -> Server:
    """A model server on the versions below `base`, with its output in `folder`.

    Args:
      labels: of versions, by name; the newest version alone is served.
    """
    quick = ("--file_system_poll_wait_seconds=1", "--model_name=marquee")
    if labels is None:
        return start(OUR_COMMAND, [*quick, f"--model_base_path={base}"], folder)
    config = folder / "models.config"
    given = " ".join(f'version_labels {{ key: "{name}" value: {value} }}' for name, value in labels.items())
    config.write_text(
        'model_config_list { config { name: "marquee" model_platform: "tensorflow" '
        f'base_path: "{base}" {given} }} }}'
    )
    flags = ("--allow_version_labels_for_unavailable_models=true", f"--model_config_file={config}")
    return start(OUR_COMMAND, [quick[0], *flags], folder)


def settings(server: Server, folder: Path, **given: Any) -> Settings:
    """Settings of an application on that server, with a database in `folder`, without keys."""
    url = given.pop("database", f"sqlite:///{folder / 'app.sqlite'}")
    migrate.upgrade(url)
    values: dict[str, Any] = {
        "model_server": server.grpc,
        "model_files": f"http://{server.rest}",
        "database": SecretStr(url),
        "keys": "off",
        "poll_s": 0.2,
        "timeout_ms": 10_000,
        "rate_limit": "1000000/minute",
        "address_limit": "1000000/minute",
    }
    return Settings(**{**values, **given})


@contextlib.contextmanager
def running(server: Server, folder: Path, **given: Any) -> Iterator[TestClient]:
    """Calls an application in this process."""
    with TestClient(create_app(settings(server, folder, **given)), raise_server_exceptions=False) as client:
        yield client


@contextlib.contextmanager
def listening(server: Server, folder: Path, **given: Any) -> Iterator[str]:
    """The address of an application that listens, in a thread of this process."""
    port = free_port()
    config = uvicorn.Config(
        create_app(settings(server, folder, **given)), port=port, log_config=None, access_log=False
    )
    listener = uvicorn.Server(config)
    thread = threading.Thread(target=listener.run)
    thread.start()
    try:
        wait_until(lambda: listener.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        listener.should_exit = True
        thread.join()
