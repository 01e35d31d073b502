"""Style sheets, scripts and fonts, under an address that changes with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

FOLDER: Final = Path(__file__).parent / "static"
_HELD: Final = "public, max-age=31536000, immutable"


def _digest() -> str:
    content = hashlib.blake2b(digest_size=6)
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file():
            content.update(file.read_bytes())
    return content.hexdigest()


# In the address rather than in a query: a module's own imports are relative to it.
BASE: Final = f"/static/{_digest()}"


class _Held(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = _HELD
        return response


def install(app: FastAPI) -> None:
    app.mount(BASE, _Held(directory=FOLDER), name="static")
