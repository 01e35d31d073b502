"""The model that answers: where it comes from, how it was judged, how it does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

import contract
from serving.app.errors import NotFoundError
from serving.app.interfaces import Services, services
from serving.app.page import live
from serving.app.page.chart import bars
from serving.app.page.rendering import PageRoute, render

router = APIRouter(route_class=PageRoute)
# Measures with a number of their own at the top, the first that the model has; the rest in the table.
_FIRST = ("recall@10", "ndcg@10", "coverage@10", "rmse")
_CHARTED = "recall@10"
# As the report itself says: it has a style of its own, and nothing else that a browser would fetch or run.
_REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


@router.get("/model")
async def model(request: Request) -> Response:
    used = services(request)
    described = used.model.describe()
    pushed = used.versions.current().pushed
    earlier = [*pushed.get(contract.EARLIER, ()), pushed]
    runs = [
        (str(one.get("time", ""))[:10], float(value))
        for one in earlier
        if (value := (one.get("metrics") or {}).get(_CHARTED)) is not None
    ]
    return render(
        request, "model.html", model=described, first=_FIRST, charted=_CHARTED, runs=bars(runs),
        answering=used.model.answering, figures=live.figures(), experiment=used.experiments.running,
        report=_report(used) is not None,
    )  # fmt: skip


@router.get("/model/report")
async def report(request: Request) -> Response:
    """The report of the run that pushed the version that answers."""
    found = _report(services(request))
    if found is None:
        raise NotFoundError("there is no report of the run that made this version")
    headers = {"Content-Security-Policy": _REPORT_POLICY}
    return FileResponse(found, media_type="text/html", headers=headers)


def _report(used: Services) -> Path | None:
    folder, run = used.settings.reports, used.model.describe().run
    if not folder or not run or Path(run).name != run:
        return None
    file = Path(folder) / f"{run}.html"
    return file if file.is_file() else None
