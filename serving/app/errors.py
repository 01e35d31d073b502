"""Errors of the services. The API writes each as problem+json (RFC 9457)."""

from __future__ import annotations


class AppError(Exception):
    """Base: what a caller can act on.

    Attributes:
      status: of HTTP.
      title: short, the same for every error of the class.
    """

    status = 500
    title = "Internal error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequestError(AppError):
    """A value of a field that cannot be.

    Args:
      field: where it is: "where.0", "events.3.kind".
      detail: the rule, what came, what to do.
    """

    status = 422
    title = "Invalid request"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class NotFoundError(AppError):
    status = 404
    title = "Not found"


class ConflictError(BadRequestError):
    status = 409
    title = "Conflict"


class UnauthenticatedError(AppError):
    status = 401
    title = "API key missing or not valid"


class ForbiddenError(AppError):
    status = 403
    title = "API key without the scope"


class TooManyRequestsError(AppError):
    """A limit was reached.

    Args:
      retry_after: seconds.
    """

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooLargeError(AppError):
    status = 413
    title = "Request too large"


class NotReadyError(AppError):
    """No version of the model has been seen yet: there is no catalogue to answer from."""

    status = 503
    title = "Not ready"
