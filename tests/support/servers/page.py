"""The application in a process of its own, for browsers."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from support.servers.model_servers import START_SECONDS, Server

from benchmarks.harness.ports import free_port


@contextlib.contextmanager
def page_server(server: Server, folder: Path, **settings: str) -> Iterator[str]:
    """Serves the page over a model server; the address.

    Args:
      folder: for the database and the log.
      settings: of the application, by name.
    """
    port = free_port()
    given = {"model_server": server.grpc, "model_files": f"http://{server.rest}", "timeout_ms": "20000",
             "database": f"sqlite:///{folder / 'page.sqlite'}", "known_users": "true",
             "rate_limit": "100000/minute", "address_limit": "100000/minute", **settings}  # fmt: skip
    variables = {f"MARQUEE_APP_{name.upper()}": value for name, value in given.items()}
    log = folder / "page.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.app", "--port", str(port), "--no-keys"],
            env={**os.environ, **variables}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        _until_ready(address, process, log)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the page at {address} is not up:\n{log.read_text(errors='replace')[-3000:]}")
