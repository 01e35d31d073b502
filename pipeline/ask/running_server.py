"""A model server that is up on this machine and has the very version that would be loaded here."""

from __future__ import annotations

import contextlib
import math
import socket
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.pusher.versions import Version
    from pipeline.ask.pushed_files import PushedFiles
    from pipeline.ask.remote import RemoteServable
    from serving.client import Client

# Where `marquee serve` answers REST unless it is told otherwise.
ADDRESS = "http://127.0.0.1:8501"
# A server on this machine accepts in microseconds and answers these in milliseconds; one
# that takes longer is busy, and the model is loaded here in the time it would take.
_CONNECT_S = 0.2
_ANSWER_S = 1.0


def find(
    version: Version, model: str, timeout_s: float, stack: contextlib.ExitStack
) -> tuple[RemoteServable | None, str]:
    """A servable of that version on the server at ADDRESS.

    The version's number has to be the same and so has its popular list, item by item and share
    by share: another pipeline's model may have the same name and number, never the same counts.

    Args:
      version: as `choose` gives it.
      model: contract.MODEL or contract.MODEL_EXACT.
      timeout_s: of the requests to come.
      stack: closes the connection.

    Returns:
      The servable, None where there is none; and why a server of this model was passed over.
    """
    if not _is_open(ADDRESS):
        return None, ""
    from pipeline.ask.pushed_files import pushed_files
    from pipeline.ask.remote import RemoteServable
    from serving.client import Client, Retry, ServingError

    client = stack.enter_context(Client(ADDRESS, model=model, timeout_s=timeout_s, retry=Retry(attempts=1)))
    try:
        states = client.status(timeout_s=_ANSWER_S)
    except ServingError:
        return None, ""  # some other program's port, or a server without this model
    available = sorted(state.version for state in states if state.state == "AVAILABLE")
    if version.number not in available:
        have = ", ".join(map(str, available)) or "none that can answer"
        return None, f"the server at {ADDRESS} has {model} version {have}, not {version.number}"
    files = pushed_files(version, model)
    try:
        same = _has_popular_list(client, version.number, files)
    except ServingError as error:
        return None, f"the server at {ADDRESS} does not answer ({error.code.name})"
    if not same:
        return (
            None,
            f"the server at {ADDRESS} has another {model} version {version.number} than the pushed one",
        )
    return RemoteServable(client, model, version.number, str(version.record.get("run", "")), files), ""


def _is_open(address: str) -> bool:
    """Whether anything listens there: known in microseconds, before a client is imported."""
    url = urllib.parse.urlsplit(address)
    assert url.hostname and url.port
    try:
        socket.create_connection((url.hostname, url.port), _CONNECT_S).close()
    except OSError:
        return False
    return True


def _has_popular_list(client: Client, number: int, files: PushedFiles) -> bool:
    ranking = client.recommend_user("", version=number, timeout_s=_ANSWER_S)
    expected = files.popular(len(ranking))
    return 0 < len(ranking) == len(expected) and all(
        item.item_id == item_id and math.isclose(item.score, share, rel_tol=1e-5)
        for item, (item_id, share) in zip(ranking, expected, strict=True)
    )
