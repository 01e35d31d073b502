"""People, events, keys and experiments in SQLite or PostgreSQL."""
