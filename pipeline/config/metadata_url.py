"""The URL of a metadata store: what it may look like, and its parts."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse

FORMS = "sqlite:///PATH, mysql://USER:PASSWORD@HOST[:PORT]/DB or postgresql://USER:PASSWORD@HOST[:PORT]/DB"

SQLITE = "sqlite"
MYSQL = "mysql"
POSTGRESQL = "postgresql"
_DEFAULT_PORTS = {MYSQL: 3306, POSTGRESQL: 5432}
_SQLITE_START = f"{SQLITE}:///"
_PASSWORD = re.compile(r"(://[^:/@]*:).*@")


@dataclasses.dataclass(frozen=True)
class MetadataUrl:
    """
    Attributes:
      scheme: SQLITE, MYSQL or POSTGRESQL.
      database: its name; of SQLite the path of the file.
      host, port, user, password: of a server; empty and 0 for SQLite.
    """

    scheme: str
    database: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""


def parse(url: str) -> MetadataUrl:
    """Splits a URL of one of FORMS (SQLite's as SQLAlchemy writes it: `sqlite:////abs` is absolute).

    A user or password with `@`, `:` or `/` is percent-encoded. Query parameters are not read.

    Raises:
      ValueError: it has none of these forms.
    """
    if url.startswith(_SQLITE_START) and len(url) > len(_SQLITE_START):
        return MetadataUrl(SQLITE, url.removeprefix(_SQLITE_START))
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:  # the port is no number, or a bracket is open
        raise ValueError(_expected()) from error
    database = parts.path.removeprefix("/")
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0 or not database:
        raise ValueError(_expected())
    return MetadataUrl(
        parts.scheme,
        database,
        parts.hostname,
        port or _DEFAULT_PORTS[parts.scheme],
        urllib.parse.unquote(parts.username or ""),
        urllib.parse.unquote(parts.password or ""),
    )


def without_password(text: str) -> str:
    """The text with the password of a URL in it starred out; the URL need not be a right one."""
    return _PASSWORD.sub(r"\1***@", text)


def _expected() -> str:
    return f"must be {FORMS}"
