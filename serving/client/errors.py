"""The one error of the client, with all that is needed to look for its cause."""

from __future__ import annotations

import dataclasses

from serving.protocol.errors import Code


class TransportError(Exception):
    """One attempt that failed, before anyone has decided whether to try again.

    Args:
      code: the canonical code that the server gave, or that stands for what happened on the way.
      message: the server's own text, or the transport's.
      retryable: whether the same request may be answered a moment later.
    """

    def __init__(self, code: Code, message: str, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = code is Code.UNAVAILABLE if retryable is None else retryable


@dataclasses.dataclass(frozen=True)
class Target:
    """What a request is addressed to.

    Attributes:
      server: its address.
      model: name.
      version, label: which version; None and None for the newest.
      signature: "" for questions about the model itself.
    """

    server: str
    model: str
    version: int | None = None
    label: str | None = None
    signature: str = ""

    def __str__(self) -> str:
        parts = [f"{self.server}: model {self.model}"]
        if self.version is not None:
            parts.append(f"version {self.version}")
        if self.label is not None:
            parts.append(f"label {self.label}")
        if self.signature:
            parts.append(f"signature {self.signature}")
        return ", ".join(parts)


class ServingError(Exception):
    """A server did not answer, or refused.

    Attributes:
      target: server, model, version or label, and signature.
      code: canonical status code, the same over gRPC and REST.
      message: the server's own text.
      request_id: as the server's access log has it.
      attempts: how often the request was sent.
    """

    def __init__(self, target: Target, code: Code, message: str, request_id: str, attempts: int) -> None:
        tried = f", {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"{target}: {code.name}: {message} (request {request_id}{tried})")
        self.target = target
        self.code = code
        self.message = message
        self.request_id = request_id
        self.attempts = attempts
