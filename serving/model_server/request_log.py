"""Samples requests into PredictionLog records, without person ids."""

from __future__ import annotations

from google.protobuf.message import Message


class RequestLog:
    """Writes sampled requests in a thread of its own; never blocks a request."""

    def configure(self, logging_configs: dict[str, Message]) -> None:
        """Replaces the LoggingConfig of each model (name -> tensorflow.serving.LoggingConfig)."""

    def close(self) -> None:
        """Writes what waits and closes the files."""
