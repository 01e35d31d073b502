"""From a store's URL to ML Metadata's connection config."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from pipeline.errors import ConfigError

_DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}


def connection_config(url: str) -> metadata_store_pb2.ConnectionConfig:
    """`sqlite:///PATH` (as SQLAlchemy writes it: `sqlite:////abs` is absolute), `mysql://…`, `postgresql://…`.

    Query parameters are not read. A user or password with `@`, `:` or `/`
    is percent-encoded.

    Raises:
      ConfigError: if the URL lacks a host or a database, or is of another scheme.
    """
    parts = urllib.parse.urlsplit(url)
    config = metadata_store_pb2.ConnectionConfig()
    if parts.scheme == "sqlite":
        path = Path(url.removeprefix("sqlite:///")).expanduser().absolute()
        config.sqlite.filename_uri = str(path)
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return config

    database = parts.path.lstrip("/")
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not database:
        raise ConfigError(
            f"metadata = {url!r}: must be sqlite:///PATH, mysql://USER:PASSWORD@HOST[:PORT]/DB "
            "or postgresql://USER:PASSWORD@HOST[:PORT]/DB"
        )
    user = urllib.parse.unquote(parts.username or "")
    password = urllib.parse.unquote(parts.password or "")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    if parts.scheme == "mysql":
        config.mysql.host = parts.hostname
        config.mysql.port = port
        config.mysql.database = database
        config.mysql.user = user
        config.mysql.password = password
    else:
        config.postgresql.host = parts.hostname
        config.postgresql.port = str(port)
        config.postgresql.dbname = database
        config.postgresql.user = user
        config.postgresql.password = password
    return config
