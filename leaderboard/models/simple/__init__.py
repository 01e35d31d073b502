"""Counts, means and cosines."""
