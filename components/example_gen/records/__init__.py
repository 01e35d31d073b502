"""The sorted log -> records of the two artifacts, and their files."""
