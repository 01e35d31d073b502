"""Connections to SQLite or PostgreSQL, to read and to write."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_log = structlog.get_logger(__name__)
T = TypeVar("T")
# Tries to empty the write-ahead log, each of which waits for readers.
_TRIES = 5
_MAPPED = "PRAGMA mmap_size=268435456"
# What a connection to SQLite begins with. Deleted bytes are overwritten; a commit is on disk before it
# is acknowledged; readers do not wait for the writer.
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    "PRAGMA busy_timeout=10000",
    _MAPPED,
)
# A queue: waiting writers are served in turn. A write takes a millisecond or two, a thousand at once must
# not run into a timeout.
_SQLITE_POOL: Final[Mapping[str, Any]] = {"max_overflow": 0, "pool_timeout": 30, "hide_parameters": True}


def parse(url: str, make_folder: bool = True) -> URL:
    """The URL with the driver that is used here; a SQLite file's folder is made.

    Raises:
      ValueError: it is no URL of a database.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise ValueError(
            "the database's URL cannot be read: expected sqlite:///PATH or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ValueError(
                "sqlite needs a file: sqlite:///PATH; what is in memory is lost with the process"
            )
        folder = Path(parsed.database).parent
        if make_folder:
            folder.mkdir(parents=True, exist_ok=True)
        elif not Path(parsed.database).exists():
            raise ValueError(f"there is no file {parsed.database}")
        return parsed.set(drivername="sqlite")
    return parsed.set(drivername="postgresql+psycopg")


class Database:
    """A database of people and events.

    SQLite has one writer at a time: writes go through one connection, in turn, and never meet a lock of
    this process. PostgreSQL has one pool for both.

    Args:
      url: see `Settings.database`.
      pool_size: connections.
    """

    def __init__(self, url: str, pool_size: int = 8) -> None:
        self.url = parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            driver = self.url.set(drivername="sqlite+aiosqlite")
            self._reader = _sqlite_engine(driver, pool_size, "BEGIN")
            self._writer = _sqlite_engine(driver, 1, "BEGIN IMMEDIATE")
            self._at_hand: sqlite3.Connection | None = None
            self._thread_reader = sa.create_engine(
                self.url, pool_size=pool_size, connect_args={"check_same_thread": False}, **_SQLITE_POOL
            )
            _prepare(self._thread_reader, "BEGIN")
            # A checkpoint is no part of a transaction.
            self._scrubber = self._writer.execution_options(isolation_level="AUTOCOMMIT")
        else:
            self._reader = self._writer = self._scrubber = create_async_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=5,
                pool_pre_ping=True,
                hide_parameters=True,  # errors are logged: nobody's id is in them
            )

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view."""
        async with self._reader.connect() as connection:
            yield connection

    async def read(self, ask: Callable[[sa.Connection], T]) -> T:
        """What `ask` makes of one consistent view.

        In SQLite it runs as a whole in a thread. By `reading`, each statement, each fetch and each end goes
        to the driver's thread and back, which on busy cores is most of the time that a history takes.
        """
        if not self.is_sqlite:
            async with self.reading() as connection:
                return await connection.run_sync(ask)

        def within() -> T:
            with self._thread_reader.connect() as connection:
                return ask(connection)

        return await asyncio.to_thread(within)

    async def few(self, query: sa.Select[Any], **values: Any) -> Sequence[Any]:
        """The rows of a query that finds at most some hundred of them by an index.

        SQLite answers within the event loop: that takes a tenth of a millisecond, and handing over to a
        thread and back several, where a core is busy. It never waits there: where the file is locked, as
        by a recovery, a thread does the waiting.

        Args:
          query: made once: its text is kept.
          values: of its parameters, by name.
        """
        if self.is_sqlite:
            text, own = _compiled(query)
            try:
                return self._connection_at_hand().execute(text, {**own, **values}).fetchall()
            except sqlite3.OperationalError as error:
                _log.info("read_in_a_thread", reason=str(error))
        return await self.read(lambda connection: connection.execute(query, values).all())

    def _connection_at_hand(self) -> sqlite3.Connection:
        if self._at_hand is None:
            assert self.url.database is not None, "`parse` wants a file"
            # The event loop alone uses it, but not always from the thread that made this object.
            self._at_hand = sqlite3.connect(
                self.url.database, timeout=0, isolation_level=None, check_same_thread=False
            )
            for pragma in ("PRAGMA query_only=ON", _MAPPED):
                self._at_hand.execute(pragma)
        return self._at_hand

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with self._writer.begin() as connection:
            yield connection

    async def scrub(self) -> None:
        """After an erasure: leaves nothing of it in SQLite's write-ahead log."""
        if not self.is_sqlite:
            return
        async with self._scrubber.connect() as connection:
            for _ in range(_TRIES):
                row = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()
                if not row[0]:
                    return
                await asyncio.sleep(0.1)
        _log.warning(
            "write_ahead_log_not_truncated", reason="other connections kept reading; the next one does"
        )

    async def check(self) -> None:
        """Raises what the database raises if it does not answer."""
        async with self.reading() as connection:
            await connection.execute(sa.text("SELECT 1 FROM people LIMIT 1"))

    async def close(self) -> None:
        await self._reader.dispose()
        if self.is_sqlite:
            self._thread_reader.dispose()
            if self._at_hand is not None:
                self._at_hand.close()
        if self._writer is not self._reader:
            await self._writer.dispose()


@functools.lru_cache(maxsize=64)
def _compiled(query: sa.Select[Any]) -> tuple[str, Mapping[str, Any]]:
    """For the driver itself: the text, with parameters by name, and those that the query gives itself."""
    compiled = query.compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(compiled), {name: value for name, value in compiled.params.items() if value is not None}


def _sqlite_engine(url: URL, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, **_SQLITE_POOL)
    _prepare(engine.sync_engine, begin)
    return engine


def _prepare(engine: sa.Engine, begin: str) -> None:
    """How each connection to SQLite and each transaction begins."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql(begin)
