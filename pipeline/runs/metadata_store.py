"""The metadata store behind a URL."""

from __future__ import annotations

from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipeline.config import metadata_url
from pipeline.errors import MarqueeError


class StoreError(MarqueeError):
    """The metadata store cannot be reached or is none."""


def connection_config(url: str) -> metadata_store_pb2.ConnectionConfig:
    """ML Metadata's form of a URL.

    Raises:
      ValueError: the URL has none of metadata_url.FORMS.
    """
    parsed = metadata_url.parse(url)
    config = metadata_store_pb2.ConnectionConfig()
    if parsed.scheme == metadata_url.SQLITE:
        config.sqlite.filename_uri = str(Path(parsed.database).expanduser().absolute())
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    elif parsed.scheme == metadata_url.MYSQL:
        config.mysql.host = parsed.host
        config.mysql.port = parsed.port
        config.mysql.database = parsed.database
        config.mysql.user = parsed.user
        config.mysql.password = parsed.password
    else:
        config.postgresql.host = parsed.host
        config.postgresql.port = str(parsed.port)
        config.postgresql.dbname = parsed.database
        config.postgresql.user = parsed.user
        config.postgresql.password = parsed.password
    return config


def connect(url: str) -> MetadataStore:
    """Opens the store; one in SQLite is made if it is not there.

    Raises:
      StoreError: it cannot be reached; names the URL without its password.
    """
    connection = connection_config(url)
    try:
        if connection.HasField("sqlite"):
            Path(connection.sqlite.filename_uri).parent.mkdir(parents=True, exist_ok=True)
        return MetadataStore(connection)
    except (OSError, RuntimeError) as error:  # the second is all that ML Metadata raises here
        reason = str(error).strip().partition("\n")[0].partition(" query:  ")[0]  # the SQL follows
        raise StoreError(
            f"the metadata store {metadata_url.without_password(url)} cannot be opened: {reason}; "
            "check that it is there, or name another (--set metadata=URL)"
        ) from error
