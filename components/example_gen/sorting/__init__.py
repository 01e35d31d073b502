"""Rows -> a log sorted by user and time on disk, with its totals."""
