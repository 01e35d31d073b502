"""A model on a server, asked as one in this process is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import contract
from components.pusher import versions
from pipeline.ask.pushed_files import PushedFiles, pushed_files
from pipeline.ask.servable import Servable
from pipeline.errors import InputError, ServerError
from serving.client import Client, Code, ServingError, Tls

if TYPE_CHECKING:
    import numpy as np

_AVAILABLE = "AVAILABLE"


class RemoteServable(Servable):
    """One version of a model on a server.

    Args:
      client: of the server and the model.
      model, version: which.
      run_id, files: as the version lies on this machine, "" and None if it does not.
    """

    def __init__(
        self, client: Client, model: str, version: int, run_id: str, files: PushedFiles | None
    ) -> None:
        super().__init__(model, version, run_id, files)
        self._client = client

    @property
    def server(self) -> str:
        return self._client.address.text

    def _ask(self, signature: str, inputs: dict[str, list[Any]]) -> dict[str, np.ndarray]:
        try:
            return dict(self._client.predict(signature, inputs, version=self.version).outputs)
        except ServingError as error:
            if error.code is Code.INVALID_ARGUMENT:
                raise self._refused(error.message) from error
            raise ServerError(str(error)) from error


def connect(
    address: str, model: str, timeout_s: float, ca: str | None, certificate: str | None, key: str | None
) -> Client:
    """A client of the model.

    Raises:
      InputError: an address, a time or a file that cannot be.
    """
    try:
        tls = Tls(ca, certificate, key) if ca or certificate or key else None
        return Client(address, model=model, timeout_s=timeout_s, tls=tls)
    except ValueError as error:
        raise InputError(str(error)) from error


def served(client: Client, number: int | None, destination: str) -> tuple[Servable, str]:
    """The version of that number, or the newest that the server can answer with.

    Args:
      client: of the server.
      number: of a version, None for the newest.
      destination: where models are pushed on this machine: titles, limits and
        the popular list come from the same version there.

    Returns:
      The model, and what the reader must know of its titles; "" if nothing.

    Raises:
      ServerError: no answer, or no version that can answer.
    """
    try:
        found = client.status(version=number)
    except ServingError as error:
        hint = " (--model names another)" if error.code is Code.NOT_FOUND else ""
        raise ServerError(f"{error}{hint}") from error
    model = client.model
    available = [item.version for item in found if item.state == _AVAILABLE]
    if not available:
        states = "; ".join(
            f"version {item.version} is {item.state} {item.error_message}".rstrip() for item in found
        )
        raise ServerError(
            f"{client.address.text} has no version of {model} that can answer: {states or 'none'}"
        )
    version = max(available)
    files, run_id, note = _local(destination, model, version)
    return RemoteServable(client, model, version, run_id, files), note


def _local(destination: str, model: str, number: int) -> tuple[PushedFiles | None, str, str]:
    """The files of the version on this machine (else of the newest there), its run, and a note."""
    here = [
        version
        for version in versions.list_versions(destination)
        if model != contract.MODEL_EXACT or version.path_exact
    ]
    if not here:
        return (
            None,
            "",
            f"no {model} has been pushed to {destination}, so there is no catalogue to take titles from: "
            "items are named by their ids",
        )
    for version in here:
        if version.number == number:
            return pushed_files(version, model), str(version.record.get("run", "")), ""
    newest = here[-1]
    return (
        pushed_files(newest, model),
        str(newest.record.get("run", "")),
        f"version {number} is not in {destination}, so titles are those of version {newest.number}",
    )
