"""The page of the metrics: what is measured, and where it can be used."""

from __future__ import annotations

from pipeline.reference.markdown import code, escape, heading, page, paragraph, table

_INTRODUCTION = (
    "Ranking metrics rank the whole catalogue without the history; relevant is a target rated 4 stars or "
    "more, without ratings any. A figure is the mean over users with something to measure, of errors over "
    "ratings."
)


def metrics_page() -> str:
    """Markdown: a row per metric of the registry."""
    from components.common.metrics import registry

    gated = registry.evaluated()
    rows = [
        (
            code(metric.name),
            escape(metric.formula),
            "yes" if metric.name in gated else "",
            "yes" if isinstance(metric, registry.Metric) and metric.on_leaderboard else "",
        )
        for metric in registry.METRICS
    ]
    return page(
        heading("Metrics", "`components/common/metrics/registry.py`"),
        paragraph(_INTRODUCTION),
        paragraph(
            "What a gate can hold a model to is the key of a floor or ceiling in `evaluator.floors` and "
            "`evaluator.ceilings`, and stands in `metrics.json` and `marquee gates --slices`."
        ),
        table(("metric", "what", "gates", "leaderboard"), rows),
    )
