"""Asks a model server, Marquee's or a stock TensorFlow Serving, over gRPC or REST."""

from serving.client.client import AsyncClient, Client
from serving.client.errors import ServingError
from serving.client.queries import Event, Query
from serving.client.results import (
    Explanations,
    Prediction,
    Ranking,
    Ratings,
    Reason,
    Scored,
    VersionStatus,
)
from serving.client.retry import Retry
from serving.client.tls import Tls
from serving.protocol.errors import Code

__all__ = [
    "AsyncClient",
    "Client",
    "Code",
    "Event",
    "Explanations",
    "Prediction",
    "Query",
    "Ranking",
    "Ratings",
    "Reason",
    "Retry",
    "Scored",
    "ServingError",
    "Tls",
    "VersionStatus",
]
