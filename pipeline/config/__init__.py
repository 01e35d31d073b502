"""The typed config: sections, reading, documentation."""
