"""A curated schema as an artifact."""
