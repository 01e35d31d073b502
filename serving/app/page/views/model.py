"""The model that answers: where it comes from, how it was judged, how it does."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

import contract
from serving.app.interfaces import services
from serving.app.page import live
from serving.app.page.chart import bars
from serving.app.page.rendering import PageRoute, render
from serving.app.page.views import reports

router = APIRouter(route_class=PageRoute)
# Measures with a number of their own at the top, the first that the model has; the rest in the table.
_FIRST = ("recall@10", "ndcg@10", "coverage@10", "rmse")
_CHARTED = "recall@10"


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
        report=reports.find(used) is not None,
    )  # fmt: skip
