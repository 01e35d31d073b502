"""The schema importer in the pipeline's graph."""

from __future__ import annotations

from tfx.components.schema_gen.import_schema_gen import component
from tfx.dsl.components.base import executor_spec

from components.import_schema.executor import Executor


class ImportSchema(component.ImportSchemaGen):
    """Puts a curated schema into an artifact.

    Args:
      schema_file: name of a file in components/transform/schemas. The stock component
        takes a path, which a Kubeflow spec would carry from the machine that compiled it.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
