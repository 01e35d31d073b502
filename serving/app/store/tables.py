"""The tables. A change here gets a migration in `migrations/versions`.

A person's own id stands in `people` alone: other rows name people by number, so that a long id costs
nothing there and erasing somebody leaves one place to clean.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers rows by themselves only where the key is INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _person() -> Column[int]:
    return Column("person", _Number, ForeignKey("people.number", ondelete="CASCADE"), nullable=False)


people = Table(
    "people",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("id", String(128), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),  # Unix seconds
)

events = Table(
    "events",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    _person(),
    Column("id", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("item_id", String(256), nullable=False),
    Column("value", Float),
    Column("time", BigInteger, nullable=False),  # Unix seconds
    UniqueConstraint("person", "id"),
    Index(None, "person", "time", "number"),
)

keys = Table(
    "keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of the secret, hexadecimal
    Column("scopes", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
)

experiments = Table(
    "experiments",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("started", BigInteger, nullable=False),
    Column("stopped", BigInteger),
    Column("weighed", BigInteger),  # since when the weights are these; null: since the start
    Column("variants", Text, nullable=False),  # JSON: [{"name", "label", "weight"}]
)

exposures = Table(
    "exposures",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("experiment", String(64), ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("variant", String(64), nullable=False),
    _person(),
    Column("time", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("source", String(8), nullable=False),
    Column("items", Text, nullable=False),  # JSON: ids in the order shown
    Index(None, "person", "experiment", "number"),
    Index(None, "experiment", "variant"),
)

outcomes = Table(
    "outcomes",
    METADATA,
    Column("number", _Number, primary_key=True, autoincrement=True),
    Column("experiment", String(64), ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("variant", String(64), nullable=False),
    _person(),
    Column("event_id", String(128), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("time", BigInteger, nullable=False),
    UniqueConstraint("person", "experiment", "event_id"),
    Index(None, "experiment", "variant"),
)
