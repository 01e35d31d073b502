"""Processes: options, ports, life and death."""
