"""OpenTelemetry traces: a span for each request, one for each call of the model server, W3C headers on."""

from __future__ import annotations

from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TRACER: Final = trace.get_tracer("marquee.app")


def configure(endpoint: str) -> None:
    """Sends spans to an OTLP/HTTP endpoint; without one they are passed on, but not recorded."""
    if not endpoint:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "marquee-app"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
