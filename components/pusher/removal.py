"""How a version goes: a server never sees half of one."""

from __future__ import annotations

from typing import Final

import contract
from components.common import storage
from components.pusher import versions
from components.pusher.versions import ORDER, SAVED_MODEL

OUTGOING: Final = ".outgoing-"


def delete(destination: str, number: int, strict: bool = False) -> None:
    """Deletes one version of every model, the one with the record last.

    A deletion that is interrupted leaves the record, or a hidden folder: the next one, or a push, ends it.

    Args:
      strict: as of `storage.remove_tree`.
    """
    for model in ORDER:
        path = versions.folder(destination, model, number)
        if not storage.is_local(destination):
            _delete_remote(path)
        elif storage.exists(path):
            hidden = storage.join(destination, model, f"{OUTGOING}{number}")
            try:
                storage.rename_folder(path, hidden)
            except FileNotFoundError:
                continue  # another run deletes it at this moment
            storage.remove_tree(hidden, strict)


def unfinished(destination: str) -> list[str]:
    """Hidden folders of versions whose deletion did not come to its end."""
    roots = [storage.join(destination, model) for model in ORDER] if storage.is_local(destination) else []
    return [
        storage.join(root, name)
        for root in roots
        for name in storage.list_names(root)
        if name.startswith(OUTGOING)
    ]


def _delete_remote(path: str) -> None:
    # Without saved_model.pb servers do not take the folder for a version.
    order = {SAVED_MODEL: 0, contract.PUSHED: 2}
    for name in sorted(storage.list_files(path), key=lambda name: (order.get(name, 1), name)):
        storage.remove_file(storage.join(path, name))
    storage.remove_tree(path)
