"""Which versions go, and how: a server never sees half of one."""

from __future__ import annotations

import logging

import contract
from components.common import disk, storage
from components.pusher import claim as claims
from components.pusher import lifecycle, versions
from components.pusher.publish import INCOMING
from components.pusher.removal import OUTGOING, delete
from components.pusher.versions import ORDER

_log = logging.getLogger(__name__)


def to_delete(numbers: list[int], pinned: set[int], keep: int) -> list[int]:
    """All but the newest `keep`, and none that is pinned; oldest first."""
    return [number for number in sorted(numbers)[:-keep] if number not in pinned]


def apply(destination: str, keep: int) -> list[int]:
    """Deletes old versions of every model, and withdrawn ones older still, and returns their numbers.

    Only what a push completed is counted and deleted: a folder that somebody
    else put there is not ours.
    """
    numbers = [n for n in versions.numbers(destination, contract.MODEL) if _is_pushed(destination, n)]
    pinned = {number for number in numbers if versions.is_pinned(destination, number)}
    gone = []
    for number in to_delete(numbers, pinned, keep):
        if versions.is_pinned(destination, number):
            continue  # meanwhile: to delete the ones before it may have taken minutes
        _log.info("Retention deletes version %d (keeping the newest %d and pinned ones).", number, keep)
        delete(destination, number)
        gone.append(number)
    return gone + _forget_withdrawn(destination, min(numbers[-keep:], default=0))


def _forget_withdrawn(destination: str, oldest: int) -> list[int]:
    """Deletes withdrawn versions of a file system that are older than the newest kept, but no pinned one.

    On an object store they have their numbers, and go with the others.
    """
    gone = []
    for number in lifecycle.withdrawn(destination) if storage.is_local(destination) else ():
        hidden = [lifecycle.hidden_folder(destination, model, number) for model in ORDER]
        pinned = any(storage.exists(storage.join(path, contract.PINNED)) for path in hidden)
        if number < oldest and not pinned:
            _log.info("Retention deletes version %d, which was withdrawn.", number)
            delete_withdrawn(destination, number)
            gone.append(number)
    return gone


def delete_withdrawn(destination: str, number: int, strict: bool = False) -> None:
    """Deletes one withdrawn version of every model; `strict` as of `storage.remove_tree`."""
    if not storage.is_local(destination):
        delete(destination, number)
        return
    for model in ORDER:
        storage.remove_tree(lifecycle.hidden_folder(destination, model, number), strict)


def _is_pushed(destination: str, number: int) -> bool:
    # Not `versions.is_complete`: a deletion that was interrupted on an object
    # store has taken saved_model.pb already and must be found again.
    return storage.exists(storage.join(versions.folder(destination, contract.MODEL, number), contract.PUSHED))


def make_room(destination: str, needed: int, keep: int) -> None:
    """Sees to it that a push of so many bytes finds room, before it begins.

    Where there is too little, what the push would retire anyway goes first: a disk that holds
    `keep` versions and not one more takes a push every day.

    Raises:
      disk.DiskFullError: there is still too little.
    """
    free = disk.free_bytes(destination)
    if free is not None and free < needed:
        apply(destination, max(keep - 1, 1))
        free = disk.free_bytes(destination)
    if free is not None and free < needed:
        raise disk.DiskFullError(
            f"The models take {disk.size_text(needed)}, and {destination} has {disk.size_text(free)} free: "
            f"{disk.size_text(needed - free)} are missing. Nothing was copied, and what is served stays. "
            "Make room there (a smaller pusher.keep_versions, `marquee unpin` of versions that no server's "
            "config names, other files), and run again: what the other steps finished is kept."
        )


def sweep(destination: str, now: float) -> None:
    """Clears what killed runs left: their claims, hidden folders and unrecorded versions."""
    for claim in claims.abandoned(destination, now):
        if not versions.is_complete(destination, claim.number):
            _log.warning("The push of version %d was interrupted; its remains are deleted.", claim.number)
            delete(destination, claim.number)
        claim.release()
    for model in ORDER:
        root = storage.join(destination, model)
        for name in storage.list_names(root):
            left_over = name.startswith(OUTGOING) or (
                # Staged under a claim, which outlives the staging: none, and its run is dead.
                name.startswith(INCOMING) and not claims.is_claimed(destination, name.removeprefix(INCOMING))
            )
            if left_over:
                storage.remove_tree(storage.join(root, name))
