"""What a version carries for applications, as it is served: GET .../files/NAME, an addition of ours.

An application that shows a catalogue needs it whole, and of the very version that answers; over the
server's own address it needs no shared disk.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tensorflow.python.framework import errors as tf_errors
from tensorflow.python.lib.io import file_io

import contract
from serving.protocol.errors import Code, StatusError

if TYPE_CHECKING:
    from serving.model_server.execution.requests import ModelSpec
    from serving.model_server.versions.servables import Manager


async def read(manager: Manager, spec: ModelSpec, name: str) -> bytes:
    """The file's bytes.

    Raises:
      StatusError: NOT_FOUND, for another name than contract.APPLICATION_FILES too, or as `Manager.acquire`.
    """
    with manager.acquire(spec.name, spec.version, spec.label) as servable:
        if name not in contract.APPLICATION_FILES:
            raise StatusError(
                Code.NOT_FOUND,
                f"no file {name[:100]} is to be had; there are {', '.join(contract.APPLICATION_FILES)}",
            )
        folder = (
            servable.model.path
            if name == contract.PUSHED
            else f"{servable.model.path}/{contract.ASSETS_EXTRA}"
        )
        try:
            return await asyncio.to_thread(_read, f"{folder}/{name}")
        except tf_errors.NotFoundError:
            raise StatusError(
                Code.NOT_FOUND, f"{servable.name} version {servable.version} carries no {name}"
            ) from None


def _read(path: str) -> bytes:
    with file_io.FileIO(path, "rb") as file:
        content: bytes = file.read()
    return content
