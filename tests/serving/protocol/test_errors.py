"""Statuses are TensorFlow Serving's."""

from __future__ import annotations

import grpc
import pytest

from serving.protocol.errors import HTTP_STATUS, Code, StatusError

TABLE = {
    200: ["OK"],
    400: ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"],
    401: ["UNAUTHENTICATED"],
    403: ["PERMISSION_DENIED"],
    404: ["NOT_FOUND"],
    409: ["ALREADY_EXISTS", "ABORTED"],
    429: ["RESOURCE_EXHAUSTED"],
    499: ["CANCELLED"],
    500: ["UNKNOWN", "INTERNAL", "DATA_LOSS"],
    501: ["UNIMPLEMENTED"],
    503: ["UNAVAILABLE"],
    504: ["DEADLINE_EXCEEDED"],
}


@pytest.mark.parametrize(
    ("status", "name"), [(status, name) for status, names in TABLE.items() for name in names]
)
def test_every_code_has_its_http_status(status: int, name: str) -> None:
    assert StatusError(Code[name], "").http_status == status


def test_the_codes_are_grpcs() -> None:
    assert {code.name: code.value for code in Code} == {code.name: code.value[0] for code in grpc.StatusCode}
    assert set(HTTP_STATUS) == set(Code)
