"""`marquee demo`: the page, the model server and, where nothing is pushed yet, the run that makes a model."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.commands.common import (
    Subparsers,
    add_command,
    add_config_arguments,
    config_options,
    load_config,
)
from pipeline.errors import OK, InputError, ServerError
from pipeline.report import files as report_files

_HOST = "127.0.0.1"
# Users of the training data that the page may show: the one who looks has the data on this machine.
_SHOWN_USERS = 40
_STARTS_S = 600.0  # a busy machine imports and loads for minutes
_ENDS_S = 15.0
_LOOK_S = 0.3


def add_parser(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "demo",
        "A page to try the recommender on, on this machine alone: the application and the model server. "
        "Where no model has been pushed yet the pipeline runs first, and the page shows its steps. "
        "Ctrl-C stops all.",
        "marquee demo --port 8080",
    )
    add_config_arguments(parser)
    parser.add_argument("--data", metavar="PATH", help="as of `marquee run`, where it has to run")
    parser.add_argument(
        "--port", type=int, default=8080, metavar="N", help="of the page (default %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Starts the parts, waits for each to answer, and stops them all with the first that ends.

    Raises:
      InputError: the port is taken, or the artifacts are not on this machine.
      ServerError: a part has ended.
    """
    from components.common import storage
    from components.pusher import versions

    config = load_config(args)
    _check_port(args.port)
    page = f"http://{_HOST}:{args.port}"
    grpc, rest = _free_ports(2)
    if not storage.is_local(config.artifacts):
        raise InputError(
            f"artifacts: the demo keeps its files beside them, so a folder, not {config.artifacts}"
        )
    progress = Path(config.artifacts_dir) / "demo" / "progress.json"
    progress.parent.mkdir(parents=True, exist_ok=True)
    progress.unlink(missing_ok=True)
    given = config_options(args)
    parts = _Parts()
    # A shell starts what it puts in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        parts.start(
            "app",
            [
                "serving.app", "--model-server", f"{_HOST}:{grpc}", "--model-files", config.serving_dir,
                "--database", f"sqlite:///{progress.parent.absolute()}/app.sqlite", "--port", str(args.port),
                "--no-keys",
            ],
            {
                "MARQUEE_APP_PROGRESS_FILE": str(progress), "MARQUEE_APP_KNOWN_USERS": "true",
                "MARQUEE_APP_REPORTS": str(Path(report_files.folder(config)).absolute()),
            },
            quiet=progress.parent / "app.log",
        )  # fmt: skip
        _until_answered(page, parts, (200, 503))
        if versions.latest(config.serving_dir) is None:
            _say(args.json, page, "making the first model; the page shows how far it is")
            made = ["pipeline.cli", "run", *given]
            if not any(pair.startswith("index.shown_users=") for pair in args.overrides):
                made += ["--set", f"index.shown_users={_SHOWN_USERS}"]
            if args.data:
                made += ["--data", args.data]
            parts.start("run", [*made, "--progress", str(progress)], {})
            code = parts.wait_for("run")
            if code != OK:
                return code
        server = ["pipeline.cli", "serve", *given, "--port", str(grpc), "--rest-port", str(rest)]
        parts.start("model server", server, {}, quiet=progress.parent / "model_server.log")
        _until_answered(page, parts, (200,))
        _say(args.json, page, "ready; Ctrl-C stops everything")
        return parts.wait_for_any()
    except KeyboardInterrupt:
        return OK
    finally:
        parts.stop()


class _Parts:
    """The processes of the demo. Each has a session of its own, so that Ctrl-C reaches this one alone."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}

    def start(
        self, name: str, command: Sequence[str], variables: Mapping[str, str], quiet: Path | None = None
    ) -> None:
        """Starts `python -m COMMAND`; its output goes to the file `quiet`, or to this terminal."""
        output = None if quiet is None else quiet.open("wb")
        try:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={**os.environ, **variables},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        finally:
            if output is not None:
                output.close()
        if quiet is not None:
            self._logs[name] = quiet

    def check(self) -> None:
        """Raises ServerError if a part has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ServerError(
                    f"the {name} has ended with code {process.returncode}{self._last_words(name)}"
                )

    def wait_for(self, name: str) -> int:
        """Until this part has ended; returns its code. Raises ServerError if another ends before."""
        process = self._running.pop(name)
        try:
            while process.poll() is None:
                self.check()
                time.sleep(_LOOK_S)
        except BaseException:
            self._running[name] = process  # for `stop`
            raise
        return process.returncode

    def wait_for_any(self) -> int:
        while True:
            self.check()
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """Asks every part to end, the newest first; kills those that do not within seconds."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _ENDS_S
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _last_words(self, name: str) -> str:
        log = self._logs.get(name)
        if log is None:
            return ""
        lines = log.read_text(errors="replace").strip().splitlines()[-5:]
        return f"; {log} ends with\n  " + "\n  ".join(line[:400] for line in lines)


def _end_with_parent() -> None:
    """Between fork and exec: the kernel ends this process with the one that started it, however that dies."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _until_answered(page: str, parts: _Parts, statuses: Sequence[int]) -> None:
    """Until the page answers with one of the statuses.

    Raises:
      ServerError: a part has ended, or nothing answers.
    """
    deadline = time.monotonic() + _STARTS_S
    while time.monotonic() < deadline:
        parts.check()
        if _status(page) in statuses:
            return
        time.sleep(_LOOK_S)
    raise ServerError(
        f"{page} does not answer as expected after {_STARTS_S:.0f} s; see the logs in artifacts"
    )


def _status(page: str) -> int | None:
    try:
        with urllib.request.urlopen(page, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None  # not listening yet


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {_HOST} cannot be had ({error}); choose another: --port N"
            ) from error


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((_HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _say(as_json: bool, page: str, state: str) -> None:
    print(json.dumps({"page": page, "state": state}) if as_json else f"page   {page}   {state}", flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
