"""Servers that answer as a test tells them, over both protocols."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from support.servers.scripted_server import grpc_server, rest_server

Serve = Callable[..., contextlib.AbstractContextManager[str]]


@pytest.fixture(params=["grpc", "rest"])
def serve(request) -> Serve:
    return grpc_server if request.param == "grpc" else rest_server
