"""What a fit reads, made in this process by ExampleGen's executor and Transform's analysis."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tfx.types import standard_artifacts
from tfx.types.experimental import simple_artifacts

import contract
from components.common import feature_file
from components.example_gen import executor
from components.example_gen.component import ExampleGen
from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import read
from components.transform import in_process
from components.transform.params import TransformParams
from datasets.generated import movielens_sample


@dataclasses.dataclass(frozen=True)
class Artifacts:
    """Folders, as the steps' artifacts have them."""

    folder: Path
    timelines: str
    items: str
    transform_graph: str


def make(folder: Path, users: int = 150, items: int = 300, ratings: int = 7_500) -> Artifacts:
    data = folder / "data"
    movielens_sample.generate(data, users=users, items=items, ratings=ratings, seed=7)
    params = ExampleGenParams()
    outputs = {}
    for name in (executor.TIMELINES, executor.ITEMS, executor.QUARANTINE):
        kind = simple_artifacts.File if name == executor.QUARANTINE else standard_artifacts.Examples
        outputs[name] = kind()
        outputs[name].uri = str(folder / name)
    step = ExampleGen(str(data), fingerprint(data, params), params.to_json())
    properties = {**step.spec.exec_properties, contract.CODE_HASH: "of this test"}
    executor.Executor().Do({}, {name: [made] for name, made in outputs.items()}, properties)
    timelines, items = outputs[executor.TIMELINES].uri, outputs[executor.ITEMS].uri
    graph = in_process.analysed(read.read_items(items), TransformParams(), feature_file.read(items))
    return Artifacts(folder, timelines, items, graph)
