"""Starts what serves a model, on a candidate, before it may be pushed."""
