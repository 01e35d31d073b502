"""Connections to the ports."""
