"""A request's id and trace go on to the model server."""

from __future__ import annotations

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from serving.app.link.calls import Calls, ModelGoneError
from serving.client import AsyncClient


def test_calls_of_the_model_server_carry_the_trace_and_the_request_id():
    calls = Calls(AsyncClient("127.0.0.1:1"))
    with (
        structlog.contextvars.bound_contextvars(request_id="mine-1"),
        TracerProvider().get_tracer("test").start_as_current_span("request") as span,
    ):
        options = calls.options(7, 0.5)
    assert (options["version"], options["timeout_s"], options["request_id"]) == (7, 0.5, "mine-1")
    trace_id, span_id = options["metadata"]["traceparent"].split("-")[1:3]
    assert (int(trace_id, 16), int(span_id, 16)) == (span.context.trace_id, span.context.span_id)


def test_no_call_begins_after_its_deadline():
    with pytest.raises(ModelGoneError, match="in time"):
        Calls(AsyncClient("127.0.0.1:1")).options(7, 0.0)
