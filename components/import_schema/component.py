"""The schema importer in the pipeline's graph."""

from __future__ import annotations

from tfx.components.schema_gen.import_schema_gen import component
from tfx.dsl.components.base import executor_spec

import contract
from components.common.features import Features
from components.import_schema.executor import Executor


class ImportSchema(component.ImportSchemaGen):
    """Puts a curated schema into an artifact.

    Args:
      schema_file: name of a file in components/transform/schemas. The stock component
        takes a path, which a Kubeflow spec would carry from the machine that compiled it.
      features: a data set's own, whose schemas are added.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, schema_file: str, features: Features | None = None) -> None:
        super().__init__(schema_file=schema_file)
        if features is not None:
            self.spec.exec_properties[contract.PARAMS] = features.to_json()
