"""Runs on this machine: lock, store, runner, verdict."""
