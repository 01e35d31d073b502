"""A real index over fake towers, pushed as a run pushes it, with its run in the metadata store."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

import contract
from benchmarks.harness.ports import free_port
from pipeline import cli
from pipeline.ask import running_server
from pipeline.runs.metadata_store import connection_config

TITLES = ("Toy Story", "Heat", "Sabrina", "Sabrina", "Matrix, The", "Good, the Bad and the Ugly, The")
YEARS = (1995, 1995, 1995, 1954, 1999, 1966)
RUN_ID = "20260131-235959-123"
PIPELINE = "marquee"


def fake_towers() -> types.ModuleType:
    from support.models import fake_towers

    return fake_towers


def catalogue(fakes: types.ModuleType) -> pa.Table:
    items = fakes.make_items(60)
    titles, years = items[contract.TITLE].to_pylist(), items[contract.YEAR].to_pylist()
    titles[: len(TITLES)], years[: len(YEARS)] = TITLES, YEARS
    columns = {
        contract.TITLE: pa.array(titles, pa.large_string()),
        contract.YEAR: pa.array(years, pa.int64()),
    }
    for name, column in columns.items():
        items = items.set_column(items.column_names.index(name), name, column)
    return items


def write_timelines(folder: Path, timelines: dict[str, pa.Table]) -> None:
    from components.example_gen.records.read import split_uri
    from components.example_gen.records.write import write_shard

    for split, table in timelines.items():
        uri = split_uri(str(folder), split)
        Path(uri).mkdir(parents=True)
        write_shard(uri, 0, 1, table)


def record_run(url: str, timelines: Path) -> None:
    """A run in which example_gen wrote the timelines, in TFX's terms."""
    store = MetadataStore(connection_config(url))
    contexts = []
    for kind, name in (("pipeline", PIPELINE), ("pipeline_run", RUN_ID), ("node", f"{PIPELINE}.example_gen")):
        type_id = store.put_context_type(mlmd.ContextType(name=kind))
        contexts.append(mlmd.Context(type_id=type_id, name=name))
    examples = store.put_artifact_type(mlmd.ArtifactType(name="Examples"))
    kind = store.put_execution_type(mlmd.ExecutionType(name="ExampleGen"))
    event = mlmd.Event(type=mlmd.Event.OUTPUT)
    event.path.steps.add().key = "timelines"
    event.path.steps.add().index = 0
    store.put_execution(
        mlmd.Execution(type_id=kind, last_known_state=mlmd.Execution.COMPLETE),
        [(mlmd.Artifact(type_id=examples, uri=str(timelines), state=mlmd.Artifact.LIVE), event)],
        contexts,
    )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`artifacts`: the root; `items` and `timelines`: the tables behind the model."""
    import tensorflow as tf

    from components.index.build import build_models
    from components.index.params import IndexParams
    from components.pusher.publish import publish

    fakes = fake_towers()
    root = tmp_path_factory.mktemp("world")
    items = catalogue(fakes)
    timelines = fakes.make_timelines(items, users=8)
    # Towers know every item but the last: `rate` answers 0 for it.
    ids = items[contract.ITEM_ID].to_pylist()
    towers = fakes.FakeTowers(ids[:-1], fakes.make_vectors(len(ids) - 1, 8), root / "vocabulary.txt")
    tf.saved_model.save(towers, str(root / "towers"))

    model_dirs = {model: str(root / "built" / model) for model in contract.MODELS}
    params = IndexParams(max_k=20, default_k=5)
    build_models(tf.saved_model.load(str(root / "towers")), items, timelines, params, model_dirs)
    artifacts = root / "artifacts"
    card = {f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD}": b"# Model card"}
    publish(model_dirs, str(artifacts / "serving_model"), {"run": RUN_ID}, now=1_700_000_000.0, beside=card)
    write_timelines(artifacts / "timelines", timelines)
    record_run(f"sqlite:///{artifacts / 'metadata.sqlite'}", artifacts / "timelines")
    return {"artifacts": artifacts, "items": items, "timelines": timelines, "fakes": fakes}


Marquee = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def load_once() -> Callable[..., Any]:
    """A command loads its model in a process of its own; here one load of a version serves them all."""
    from serving.model_server.execution.runtime import Model

    whole = functools.cache(Model.load)
    return lambda path, options=None: whole(str(Path(path).resolve()))


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may be up on this machine's default port is none of a test's."""
    monkeypatch.setattr(running_server, "ADDRESS", f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def marquee(
    world: dict[str, Any],
    load_once: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    no_server: None,
) -> Marquee:
    """Runs a command in this process: (exit code, stdout, stderr) at the level of descriptors."""
    from serving.model_server.execution.runtime import Model

    monkeypatch.setattr(Model, "load", load_once)

    def run(*arguments: str, artifacts: Path | None = None) -> tuple[int, str, str]:
        root = artifacts or world["artifacts"]
        capfd.readouterr()
        code = cli.main([*arguments, "--set", f"artifacts={root}", "--set", f"name={PIPELINE}"])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def marquee_json(marquee: Marquee) -> Callable[..., dict[str, Any]]:
    """Runs a command with --json; nothing but one document may be printed."""

    def run(*arguments: str, artifacts: Path | None = None, may_fail: bool = False) -> dict[str, Any]:
        code, out, err = marquee(*arguments, "--json", artifacts=artifacts)
        assert err == "" and (code == 0 or may_fail)
        document = json.loads(out)
        assert isinstance(document, dict)
        return document

    return run


@pytest.fixture
def test_row(world: dict[str, Any]) -> Callable[[str], dict[str, Any]]:
    """A user's row of the test split: the history at the cut and the block held out."""

    def find(user_id: str) -> dict[str, Any]:
        rows = world["timelines"][contract.TEST].to_pylist()
        [row] = [row for row in rows if row[contract.USER_ID] == user_id]
        assert row[contract.HISTORY_ITEM_IDS] and row[contract.TARGET_ITEM_IDS]
        return dict(row)

    return find


@pytest.fixture
def vectors(world: dict[str, Any]) -> dict[str, np.ndarray]:
    ids = world["items"][contract.ITEM_ID].to_pylist()
    return dict(zip(ids, world["fakes"].make_vectors(len(ids) - 1, 8).astype(np.float32), strict=False))
