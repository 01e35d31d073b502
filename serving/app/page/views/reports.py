"""The report of the run that pushed the version which answers. Only where the operator names its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from serving.app.errors import NotFoundError
from serving.app.interfaces import Services, services
from serving.app.page.rendering import PageRoute

router = APIRouter(route_class=PageRoute)
# As the report itself says: it has a style of its own, and nothing else that a browser would fetch or run.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@router.get("/model/report")
async def report(request: Request) -> Response:
    found = find(services(request))
    if found is None:
        raise NotFoundError("there is no report of the run that made this version")
    return FileResponse(found, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def find(used: Services) -> Path | None:
    """The report's file; None where there is none, or none is to be shown."""
    folder, run = used.settings.reports, used.model.describe().run
    if not folder or not run or Path(run).name != run:
        return None
    file = Path(folder) / f"{run}.html"
    return file if file.is_file() else None
