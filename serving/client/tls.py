"""Certificates: those to trust, and the client's own."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Tls:
    """TLS, and with a certificate of our own mutual TLS. Files are PEM.

    Attributes:
      ca: certificates to trust; None for the system's.
      certificate, key: ours, both or neither.
      server_name: the name in the server's certificate, where it is not the address's.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("mutual TLS needs both a certificate and its key")
        for name in ("ca", "certificate", "key"):
            path = getattr(self, name)
            if path is not None and not Path(path).is_file():
                raise ValueError(f"tls: there is no file {path} ({name})")

    def context(self) -> ssl.SSLContext:
        """As Python's own TLS takes it."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def read(self, name: str) -> bytes | None:
        """The bytes of `ca`, `certificate` or `key`; None if not given."""
        path = getattr(self, name)
        return None if path is None else Path(path).read_bytes()
