"""API keys: a secret of 256 random bits, of which only the SHA-256 is stored."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from serving.app.errors import NotFoundError
from serving.app.store import tables
from serving.app.store.database import Database

SCOPES: Final = ("read", "write", "metrics", "admin")
_PREFIX: Final = "mq"


@dataclasses.dataclass(frozen=True)
class Key:
    """A key as it is stored: without its secret.

    Attributes:
      id: its public part.
      name: whose it is.
      scopes: some of SCOPES.
      created, expires: Unix seconds; None never expires.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created: int
    expires: int | None

    @property
    def expired(self) -> bool:
        return self.expires is not None and self.expires <= time.time()


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, scopes: Sequence[str], days: float | None = None) -> tuple[Key, str]:
        """A new key, and its text, which is never shown again."""
        now = int(time.time())
        key = Key(
            secrets.token_hex(8), name, tuple(scopes), now, None if days is None else now + int(days * 86400)
        )
        text, digest = _new_secret(key.id)
        row = {**dataclasses.asdict(key), "scopes": " ".join(scopes), "hash": digest}
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(tables.keys).values(row))
        return key, text

    async def rotate(self, id_: str, overlap_hours: float = 24.0) -> tuple[Key, str]:
        """A new key with the same name, scopes and lifetime; the old one lives on for some hours.

        Raises:
          NotFoundError: there is no such key.
        """
        old = await self._get(id_)
        days = None if old.expires is None else (old.expires - old.created) / 86400
        created = await self.create(old.name, old.scopes, days)
        ends = int(time.time() + overlap_hours * 3600)
        async with self._database.writing() as connection:
            await connection.execute(
                sa.update(tables.keys)
                .where(tables.keys.c.id == id_)
                .values(expires=ends if old.expires is None else min(ends, old.expires))
            )
        return created

    async def revoke(self, id_: str) -> Key:
        """Deletes a key.

        Raises:
          NotFoundError: there is no such key.
        """
        key = await self._get(id_)
        async with self._database.writing() as connection:
            await connection.execute(sa.delete(tables.keys).where(tables.keys.c.id == id_))
        return key

    async def all(self) -> list[Key]:
        async with self._database.reading() as connection:
            query = sa.select(tables.keys).order_by(tables.keys.c.created, tables.keys.c.id)
            return [_key(row) for row in await connection.execute(query)]

    async def verify(self, text: str) -> Key | None:
        """The key of a text; None for one that is unknown, expired or revoked."""
        parts = text.split("_")
        if len(parts) != 3 or parts[0] != _PREFIX or len(text) > 200:
            return None
        async with self._database.reading() as connection:
            query = sa.select(tables.keys).where(tables.keys.c.id == parts[1])
            row = (await connection.execute(query)).one_or_none()
        if row is None or not hmac.compare_digest(row.hash, _hash(parts[2])):
            return None
        key = _key(row)
        return None if key.expired else key

    async def _get(self, id_: str) -> Key:
        found = next((key for key in await self.all() if key.id == id_), None)
        if found is None:
            raise NotFoundError(f'there is no key "{id_}"')
        return found


def _new_secret(id_: str) -> tuple[str, str]:
    secret = secrets.token_hex(32)
    return f"{_PREFIX}_{id_}_{secret}", _hash(secret)


def _hash(secret: str) -> str:
    # Of 256 random bits: a slow hash would add nothing but time.
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: Any) -> Key:
    return Key(row.id, row.name, tuple(row.scopes.split()), row.created, row.expires)
