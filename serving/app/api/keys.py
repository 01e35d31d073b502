"""Who may: API keys as bearer tokens, with scopes."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from serving.app.edge.limits import RateLimit
from serving.app.errors import ForbiddenError, UnauthenticatedError
from serving.app.store.keys import SCOPES, Key, Keys

READ, WRITE, METRICS, ADMIN = SCOPES
# Seconds in which a key that was revoked may still be taken for good.
CACHED_S: Final = 5.0
_MAX_CACHED: Final = 10_000

_bearer = HTTPBearer(auto_error=False, description="An API key: `marquee app keys create` makes one.")


class KeyRing:
    """Keys that were good a moment ago, so that a request costs no look-up of its key.

    Args:
      required: whether requests need a key at all.
      limit: of the requests of one key.
    """

    def __init__(self, keys: Keys, required: bool, limit: RateLimit) -> None:
        self.required = required
        self.limit = limit
        self._keys = keys
        self._good: OrderedDict[str, tuple[float, Key]] = OrderedDict()

    async def verify(self, text: str) -> Key | None:
        until, key = self._good.get(text, (0.0, None))
        if key is not None and time.monotonic() < until and not key.expired:
            return key
        self._good.pop(text, None)
        key = await self._keys.verify(text)
        if key is not None:
            self._good[text] = (time.monotonic() + CACHED_S, key)
            while len(self._good) > _MAX_CACHED:
                self._good.popitem(last=False)
        return key


async def allowed(
    request: Request,
    scopes: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Lets a request through whose key has the scopes; admin has them all.

    Raises:
      TooManyRequestsError: the key's limit was reached.
      UnauthenticatedError, ForbiddenError: it has none, or one that is not good enough.
    """
    ring: KeyRing = request.app.state.keys
    if not ring.required:
        return
    key = await ring.verify(credentials.credentials) if credentials is not None else None
    if key is None:
        raise UnauthenticatedError(
            "give a key as `Authorization: Bearer KEY`; `marquee app keys create` makes one"
        )
    ring.limit.count(key.id)
    if missing := [scope for scope in scopes.scopes if scope not in key.scopes and ADMIN not in key.scopes]:
        raise ForbiddenError(
            f"this needs a key with the scope {missing[0]}; this one has {', '.join(key.scopes)}"
        )
