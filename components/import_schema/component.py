"""The schema importer in the pipeline's graph."""

from __future__ import annotations

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Schema

import contract
from components.common.features import Features
from components.common.step import Step
from components.import_schema import executor


class ImportSchema(
    Step,
    executor=executor.Executor,
    inputs={executor.EXAMPLES: Examples},
    outputs={executor.SCHEMA: Schema},
    properties=(executor.SCHEMA_FILE, contract.PARAMS),
):
    """Puts a curated schema into an artifact.

    Args:
      schema_file: name of a file in components/transform/schemas. TFX's own component takes
        a path, which a Kubeflow spec would carry from the machine that compiled it.
      features: a data set's own, whose schemas are added.
      examples: what the schema is for. Whether their events have ratings is known when they
        are made, not when the graph is.
    """

    def __init__(self, schema_file: str, features: Features, examples: BaseChannel) -> None:
        super().__init__(schema_file=schema_file, params=features, examples=examples)
