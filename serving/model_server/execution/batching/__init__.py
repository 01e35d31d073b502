"""Requests that arrive together run together."""
