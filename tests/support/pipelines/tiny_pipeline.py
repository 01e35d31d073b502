"""A four-component pipeline in place of `pipeline.dag.create_pipeline`."""

from __future__ import annotations

from pathlib import Path

from support.pipelines import tiny_components as tiny
from tfx.orchestration.pipeline import Pipeline

import contract
from pipeline.runs.metadata_store import connection_config


def create_pipeline(
    root: Path, *, value: float = 0.9, mode: str = "", metadata: str | None = None
) -> Pipeline:
    trace = str(root / "trace")
    make = tiny.Make(trace=trace, value="x").with_id("make")
    talk = tiny.Talk(model=make.outputs["model"], trace=trace, mode=mode).with_id("talk")
    judge = tiny.Judge(model=talk.outputs["copy"], trace=trace, value=value).with_id("judge")
    push = tiny.Push(
        blessing=judge.outputs["blessing"],
        trace=trace,
        destination=str(root / "serving_model" / contract.MODEL / "1"),
    ).with_id("push")
    return Pipeline(
        pipeline_name="marquee",
        pipeline_root=str(root),
        metadata_connection_config=connection_config(metadata or f"sqlite:///{root}/metadata.sqlite"),
        components=[push, judge, talk, make],
        enable_cache=True,
    )


def ran(root: Path) -> list[str]:
    """What ran since the last call."""
    path = root / "trace"
    if not path.exists():
        return []
    names = path.read_text().split()
    path.unlink()
    return names
