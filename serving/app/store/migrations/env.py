"""What Alembic runs: the migrations on the connection that `serving.app.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from serving.app.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
