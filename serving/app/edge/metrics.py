"""Prometheus metrics. No label is of a person."""

from __future__ import annotations

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS: Final = Counter(
    "marquee_app_requests", "Requests, by route and status.", ("method", "route", "status")
)
REQUEST_SECONDS: Final = Histogram(
    "marquee_app_request_seconds", "Time of a request.", ("route",), buckets=_SECONDS
)
MODEL_SECONDS: Final = Histogram(
    "marquee_app_model_seconds", "Time of a call of the model server.", ("call",), buckets=_SECONDS
)
MODEL_FAILURES: Final = Counter("marquee_app_model_failures", "Calls that failed, by reason.", ("reason",))
BREAKER_OPEN: Final = Gauge(
    "marquee_app_breaker_open", "1 while the model server is not asked.", multiprocess_mode="livemax"
)
ANSWERS: Final = Counter(
    "marquee_app_answers", "Lists, by where they come from and the version.", ("source", "version")
)
SHOWN: Final = Counter("marquee_app_shown_items", "Items in lists for people, by version.", ("version",))
EVENTS: Final = Counter(
    "marquee_app_events", "Events stored, by kind and answering version.", ("kind", "version")
)
MODEL_VERSION: Final = Gauge(
    "marquee_app_model_version", "The version that answers.", multiprocess_mode="livemax"
)
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


def render() -> bytes:
    """The page of all worker processes."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
