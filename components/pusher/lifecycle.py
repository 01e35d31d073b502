"""Which pushed versions servers see: withdrawn and brought back, never deleted.

Servers read folders with a number for a name. A withdrawn version's folders lie beside them under a
hidden name, whole:

    <destination>/<model>/.withdrawn-<version>/

so they are out of sight of servers, of the next gate's baseline and of a warm start, and come back by
the same renaming. On an object store, where nothing can be renamed in one step, saved_model.pb gets
another name instead: without it a folder is no version for any of them.

Who did what, when and why lies in `<destination>/.lifecycle/`, a file each.
"""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import json
import os
import socket
import time
from typing import Any, Final

import contract
from components.common import storage
from components.pusher import claim, versions
from components.pusher.versions import ORDER, SAVED_MODEL

HIDDEN: Final = ".withdrawn-"
# Out of sight first where most servers look.
_MODELS: Final = tuple(reversed(ORDER))
_EVENTS: Final = ".lifecycle"


class LifecycleError(ValueError):
    """What was asked cannot be done; the text says why and what can."""


@dataclasses.dataclass(frozen=True)
class Event:
    """
    Attributes:
      time: ISO 8601, UTC.
      who: user and machine.
      action: rollback, retire, pin or unpin.
      version: the one that was named.
      withdrawn, restored: versions that went out of, or came back into, sight.
      why: as given, "" if nothing was.
    """

    time: str
    who: str
    action: str
    version: int
    withdrawn: tuple[int, ...] = ()
    restored: tuple[int, ...] = ()
    why: str = ""


def withdrawn(destination: str) -> list[int]:
    """Versions that were taken out of sight, ascending."""
    if storage.is_local(destination):
        names = storage.list_names(storage.join(destination, contract.MODEL))
        return sorted(int(name.removeprefix(HIDDEN)) for name in names if name.startswith(HIDDEN))
    return [
        number
        for number in versions.numbers(destination, contract.MODEL)
        if storage.exists(storage.join(_shown(destination, contract.MODEL, number), HIDDEN + SAVED_MODEL))
    ]


def roll_back(destination: str, number: int | None, why: str) -> Event:
    """Makes a version the newest that servers see: newer ones are withdrawn, it is brought back if it was.

    Begun again after it was interrupted, it ends what is left.

    Args:
      number: None: the one before the newest in sight.

    Raises:
      LifecycleError: there is no such version.
    """
    live = [version.number for version in versions.list_versions(destination)]
    hidden = withdrawn(destination)
    if number is None:
        if len(live) < 2:
            newest = live[-1] if live else "any"
            raise LifecycleError(
                f"there is no version before {newest} in {destination}; {_known(live, hidden)}"
            )
        number = live[-2]
    if number not in live and number not in hidden:
        raise LifecycleError(f"version {number} is not in {destination}; {_known(live, hidden)}")
    newer = _newer(destination, number, hidden)
    restored = (number,) if number in hidden else ()
    # First what is to answer, or servers would go over to a third version in between. Also one that is
    # half back: its record comes with the last folder.
    for model in ORDER:
        _show(destination, model, number)
    for version in newer:
        _withdraw(destination, version)
    return record(destination, "rollback", number, why, tuple(newer), restored)


def _newer(destination: str, number: int, hidden: list[int]) -> list[int]:
    """The versions to withdraw.

    Raises:
      LifecycleError: one is being pushed: what of it is there now would go, and the rest come.
    """
    found = sorted(
        {newer for model in _MODELS for newer in versions.numbers(destination, model) if newer > number}
        - ({*hidden} if not storage.is_local(destination) else set())
    )
    killed = {left.number for left in claim.abandoned(destination, time.time())}
    for version in found:
        pushing = claim.is_claimed(destination, str(version)) and version not in killed
        if pushing and not versions.is_complete(destination, version):
            raise LifecycleError(
                f"version {version} is being pushed to {destination} at this moment; roll back again when "
                f"that has ended, or, if its run was killed, once {claim.CLAIMS}/{version}* there is deleted"
            )
    return found


def retire(destination: str, number: int, why: str) -> Event:
    """Takes a version out of sight for good, whichever it is; `roll_back` would bring it back.

    Raises:
      LifecycleError: there is no such version in sight, it is pinned, or the only one.
    """
    live = {version.number: version for version in versions.list_versions(destination)}
    if number not in live:
        raise LifecycleError(
            f"version {number} is not in sight in {destination}; {_known([*live], withdrawn(destination))}"
        )
    if live[number].pinned:
        raise LifecycleError(f"version {number} is pinned: a server's config may name it; unpin it first")
    if len(live) == 1:
        raise LifecycleError(f"version {number} is the only one in sight: servers would be left with nothing")
    _withdraw(destination, number)
    return record(destination, "retire", number, why, withdrawn=(number,))


def record(
    destination: str,
    action: str,
    version: int,
    why: str,
    withdrawn: tuple[int, ...] = (),
    restored: tuple[int, ...] = (),
) -> Event:
    """Writes down who did it, and when."""
    now = datetime.datetime.now(datetime.UTC)
    who = f"{_user()}@{socket.gethostname()}"
    event = Event(now.isoformat(timespec="milliseconds"), who, action, version, withdrawn, restored, why)
    name = f"{now:%Y%m%dT%H%M%S%f}-{action}.json"
    storage.write_text(
        storage.join(destination, _EVENTS, name), json.dumps(dataclasses.asdict(event), indent=1) + "\n"
    )
    return event


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        return str(os.getuid())


def events(destination: str) -> list[Event]:
    """Oldest first."""
    folder = storage.join(destination, _EVENTS)
    found = []
    for name in storage.list_names(folder):
        if name.endswith(".json"):
            data: dict[str, Any] = json.loads(storage.read_text(storage.join(folder, name)))
            lists = {key: tuple(data[key]) for key in ("withdrawn", "restored")}
            found.append(Event(**{**data, **lists}))
    return found


def hidden_folder(destination: str, model: str, number: int) -> str:
    """Where a withdrawn version lies in a file system."""
    return storage.join(destination, model, f"{HIDDEN}{number}")


def withdrawn_folder(destination: str, model: str, number: int) -> str:
    """Where the files of a withdrawn version are; on an object store, where they were."""
    place = hidden_folder if storage.is_local(destination) else _shown
    return place(destination, model, number)


def withdrawn_record(destination: str, number: int) -> dict[str, Any]:
    """contract.PUSHED of a withdrawn version; empty where it has none."""
    path = storage.join(withdrawn_folder(destination, contract.MODEL, number), contract.PUSHED)
    record: dict[str, Any] = json.loads(storage.read_text(path)) if storage.exists(path) else {}
    return record


def _withdraw(destination: str, number: int) -> None:
    for model in _MODELS:
        shown = _shown(destination, model, number)
        if not storage.is_local(destination):
            _move(storage.join(shown, SAVED_MODEL), storage.join(shown, HIDDEN + SAVED_MODEL))
        elif storage.exists(shown):
            storage.rename_folder(shown, hidden_folder(destination, model, number))


def _show(destination: str, model: str, number: int) -> None:
    shown = _shown(destination, model, number)
    if not storage.is_local(destination):
        _move(storage.join(shown, HIDDEN + SAVED_MODEL), storage.join(shown, SAVED_MODEL))
    elif storage.exists(hidden := hidden_folder(destination, model, number)):
        storage.rename_folder(hidden, shown)


def _shown(destination: str, model: str, number: int) -> str:
    return versions.folder(destination, model, number)


def _move(source: str, target: str) -> None:
    """Of an object, if it is there: a copy, then the old one goes."""
    if storage.exists(source):
        storage.copy_file(source, target)
        storage.remove_file(source)


def _known(live: list[int], hidden: list[int]) -> str:
    words = [f"there are {', '.join(map(str, live)) or 'none'}"]
    if hidden:
        words.append(f"withdrawn {', '.join(map(str, hidden))}")
    return ", ".join(words)
