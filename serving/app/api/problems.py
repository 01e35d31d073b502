"""Errors as problem+json (RFC 9457), with the fields that are wrong where these are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from serving.app.errors import AppError, BadRequestError, TooManyRequestsError, UnauthenticatedError

_log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    field: str = Field(examples=["events.3.kind"])
    detail: str


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(default="about:blank")
    title: str = Field(examples=["Invalid request"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["k is at most 100 with this model, got 1000"])
    errors: list[FieldError] = Field(default_factory=list, description="which fields, where that is known")


def response(
    status: int,
    title: str,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    problem = Problem(title=title, status=status, detail=detail, errors=errors or [])
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)


def of(error: AppError) -> Response:
    """The response that says an error."""
    fields = (
        [FieldError(field=error.field, detail=error.detail)] if isinstance(error, BadRequestError) else []
    )
    headers = {}
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = "Bearer"
    return response(
        error.status, error.title, error.detail, [one for one in fields if one.field] or None, headers
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of an operation, for OpenAPI."""
    words = {
        401: "The API key is missing or not valid.",
        403: "The API key has not the scope.",
        404: "There is no such thing.",
        409: "It contradicts what is stored.",
        413: "The request is too large.",
        422: "A field is not valid; `errors` names it.",
        429: "Too many requests; Retry-After says when to come back.",
        503: "No version of the model has been seen yet, or the database does not answer.",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": words[status], "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Makes a problem of every error."""

    @app.exception_handler(AppError)
    async def app_error(request: Request, error: AppError) -> Response:
        return of(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_field_error(one) for one in error.errors()]
        words = "; ".join(f"{one.field}: {one.detail}" for one in errors)
        return response(422, BadRequestError.title, words, errors)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:
            # Of a body that is no text or no JSON: one status for whatever is wrong with a request.
            words = "it is not JSON in UTF-8"
            errors = [FieldError(field="body", detail=words)]
            return response(422, BadRequestError.title, f"body: {words}", errors)
        headers = dict(error.headers or {})
        return response(error.status_code, str(error.detail), f"{request.method} {request.url.path}: "
                        f"{error.detail}", headers=headers)  # fmt: skip

    @app.exception_handler(SQLAlchemyError)
    async def no_database(request: Request, error: SQLAlchemyError) -> Response:
        _log.error("database_failed", error=f"{type(error).__name__}: {error}".partition("\n")[0])
        return response(503, "Not ready", "the database does not answer; try again shortly")


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Of one of pydantic's errors, or of JSON that cannot be read: its location is ("body", POSITION)."""
    if error["type"] == "json_invalid":
        what, position = error["ctx"]["error"], error["loc"][-1]
        return FieldError(field="body", detail=f"it is not JSON: {what}, at character {position}")
    return FieldError(field=_field(error["loc"]), detail=str(error["msg"]))


def _field(location: tuple[int | str, ...]) -> str:
    """("body", "events", 3, "kind") -> "events.3.kind"."""
    parts = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(map(str, parts)) or "body"
