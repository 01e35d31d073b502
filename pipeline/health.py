"""What a machine and an installation need, each looked at for itself."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import contract
from components.common import disk, storage
from contract.nouns import counted
from pipeline.config.sections import Config
from pipeline.errors import MarqueeError
from pipeline.terminal.typed import typed

OK, TIGHT, WRONG, SKIPPED = "ok", "tight", "wrong", "-"
_GIB: Final = 1 << 30
_MEMORY, _DISK = 4 * _GIB, 5 * _GIB  # a run of MovieLens's smallest edition with the serving check's server
_GLIBC: Final = (2, 28)  # of the wheels in the lock: manylinux_2_28
_LOCK: Final = Path(__file__).parents[1] / "requirements" / "pipeline.txt"
_PYTHON: Final = (3, 11)


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
      state: OK; TIGHT: it may work; WRONG: it will not; SKIPPED: it cannot be looked at here.
      found: what is there.
      do: what to do about it, "" if nothing.
    """

    name: str
    state: str
    found: str
    do: str = ""


def examine(config: Config, ports: Sequence[int]) -> list[Check]:
    """Every check; one that breaks is WRONG with its error."""
    checks: dict[str, Callable[[], Check]] = {
        "python": _python,
        "glibc": _glibc,
        "memory": _memory,
        "disk": lambda: _disk(Path(config.local_dir)),
        "packages": lambda: _packages(_LOCK),
        **{f"port {port}": (lambda port=port: _port(port)) for port in ports},  # type: ignore[misc]
        "metadata store": lambda: _store(config),
        "pushed model": lambda: _model(config),
    }
    return [_run(name, check) for name, check in checks.items()]


def _run(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (what is broken is what is being asked)
        return Check(name, WRONG, f"{type(error).__name__}: {error}", "see doctor.log below the logs folder")


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info[:2] == _PYTHON:
        return Check("python", OK, f"{found} at {sys.executable}")
    return Check(
        "python", WRONG, found, "TFX 1.21 and ScaNN 1.4 have wheels for 3.11: make setup PYTHON=python3.11"
    )


def _glibc() -> Check:
    name, found = platform.libc_ver()
    if name != "glibc":
        return Check(
            "glibc",
            WRONG,
            name or "another C library",
            "the wheels need glibc 2.28 or later, as in Debian 10",
        )
    if tuple(map(int, found.split(".")[:2])) < _GLIBC:
        return Check(
            "glibc", WRONG, found, "the wheels need 2.28 or later, as in Debian 10, RHEL 8, Ubuntu 20.04"
        )
    return Check("glibc", OK, found)


def _memory() -> Check:
    text = Path("/proc/meminfo").read_text()
    free, total = (
        int(found[1]) * 1024 if (found := re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)) else 0
        for name in ("MemAvailable", "MemTotal")
    )
    words = f"{free / _GIB:.1f} GiB free of {total / _GIB:.1f}"
    if total < _MEMORY:
        return Check(
            "memory", WRONG, words, "a run needs 4 GiB; model.history_window and trainer.batch_size save some"
        )
    if free < _MEMORY:
        return Check("memory", TIGHT, words, "a run needs 4 GiB: end what else is running")
    return Check("memory", OK, words)


def _disk(folder: Path) -> Check:
    free = disk.free_bytes(str(folder)) or 0
    words = f"{disk.size_text(free)} free for {folder}"
    if free < _DISK:
        do = "a run of a small log and the packages take 5 GiB; --set artifacts=FOLDER names another disk"
        return Check("disk", TIGHT, words, do)
    return Check("disk", OK, words)


def _packages(lock: Path) -> Check:
    if not lock.exists():
        return Check("packages", SKIPPED, f"no lock at {lock}: this installation is not of a checkout")
    wrong = []
    number = 0
    for name, version in locked(lock.read_text()):
        number += 1
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != version:
            wrong.append(f"{name} {found}, locked {version}")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        return Check("packages", WRONG, "; ".join(wrong[:5]) + more, "make setup installs the lock again")
    return Check("packages", OK, f"all {number} at their locked versions")


def locked(text: str) -> Iterator[tuple[str, str]]:
    """(package, version) of a lock that is for every machine: lines with a condition are left out."""
    for found in re.finditer(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s\\;]+)\s*(;)?", text, re.MULTILINE):
        if not found[3]:
            yield found[1], found[2]


def _port(port: int) -> Check:
    name = f"port {port}"
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind(("127.0.0.1", port))
        except OSError as error:
            do = f"if that is not `{typed('serve')}`, end it or choose another: --port, --rest-port"
            return Check(name, TIGHT, f"taken ({error.strerror})", do)
    return Check(name, OK, "free")


def _store(config: Config) -> Check:
    from pipeline.commands.common import open_store
    from pipeline.runs import run_records

    name = "metadata store"
    try:
        store = open_store(config)
    except MarqueeError as error:
        return Check(name, WRONG, str(error), "the config's key `metadata` says where it is")
    if store is None:
        return Check(name, SKIPPED, f"none in {config.artifacts_dir} yet", f"{typed('run')} makes it")
    return Check(name, OK, f"{counted(len(run_records.runs(store, config.name)), 'run')} of {config.name}")


def _model(config: Config) -> Check:
    from components.pusher import versions
    from pipeline.ask.loaded import LoadedServable
    from pipeline.ask.recommendation import scored

    name = "pushed model"
    newest = versions.latest(config.serving_dir)
    if newest is None:
        return Check(name, SKIPPED, f"none in {config.serving_dir} yet", f"{typed('run')} pushes one")
    if newest.path_exact is None:
        do = f"{typed('rollback')} goes to the version before; {typed('run')} pushes a whole one"
        return Check(name, WRONG, f"version {newest.number} has lost {contract.MODEL_EXACT}", do)
    answered = []
    for model in contract.MODELS:
        started = time.monotonic()
        servable = LoadedServable(newest, model, (contract.RECOMMEND,))
        if not scored(servable, servable.ask(contract.RECOMMEND, history_item_ids=[])):
            return Check(
                name, WRONG, f"{model} version {newest.number} answers nothing", f"{typed('rollback')}"
            )
        answered.append(f"{model} in {time.monotonic() - started:.1f} s")
    where = "" if storage.is_local(config.serving_dir) else f" from {config.serving_dir}"
    return Check(name, OK, f"version {newest.number} loads and answers{where}: {', '.join(answered)}")
