"""Where a server is: what people type, taken apart."""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Literal

_FORMS = (
    "expected host:port or unix:PATH for gRPC, http://host:port or https://host:port for REST "
    "(a model server's usual ports are 8500 for gRPC and 8501 for REST)"
)


@dataclasses.dataclass(frozen=True)
class Address:
    """A server's address.

    Attributes:
      text: as it was given, for messages.
      protocol: which API is spoken there.
      target: what gRPC dials ("host:port", "unix:/path"), or the URL of REST without a slash at its end.
    """

    text: str
    protocol: Literal["grpc", "rest"]
    target: str

    @property
    def encrypted(self) -> bool:
        """Whether the address itself asks for TLS."""
        return self.target.startswith("https://")


def parse(text: str) -> Address:
    """Reads an address.

    Raises:
      ValueError: it has none of the known forms; says which there are.
    """
    if text.startswith("unix:"):
        if not text.removeprefix("unix:").strip("/"):
            raise ValueError(f'"{text}" names no socket; {_FORMS}')
        return Address(text, "grpc", text)
    scheme, has_scheme, _ = text.partition("://")
    if has_scheme:
        if scheme not in ("http", "https"):
            raise ValueError(f'"{text}" has the scheme "{scheme}"; {_FORMS}')
        url = _split(text, text)
        if not url.hostname or url.query or url.fragment:
            raise ValueError(f'"{text}" is no address of a server; {_FORMS}')
        return Address(text, "rest", text.rstrip("/"))
    url = _split(f"//{text}", text)
    if not url.hostname or url.port is None or url.path or url.query or url.fragment or "@" in text:
        raise ValueError(f'"{text}" is no address of a server; {_FORMS}')
    return Address(text, "grpc", text)


def _split(url: str, text: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # read here, where its error can be told
    except ValueError as error:
        raise ValueError(f'"{text}": {error}; {_FORMS}') from error
    return parts
