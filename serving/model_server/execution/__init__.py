"""Requests to a loaded model: checks, batches, calls."""
