"""Searches over the vectors of items: exact and approximate."""
