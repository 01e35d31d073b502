"""TFX's schema importer, for a file that lies beside the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.schema_gen.import_schema_gen import executor
from tfx.types import standard_component_specs

import components

_SCHEMAS = Path(components.__file__).parent / "transform" / "schemas"


class Executor(executor.Executor):
    """Copies `schema_file`, a name in components/transform/schemas."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Finds the file where these sources lie, on any machine.

        Raises:
          ValueError: there is no schema of that name.
        """
        name = exec_properties[standard_component_specs.SCHEMA_FILE_KEY]
        path = _SCHEMAS / name
        if not path.is_file():
            known = ", ".join(sorted(file.name for file in _SCHEMAS.glob("*.pbtxt")))
            raise ValueError(f"no schema {name} in {_SCHEMAS}; there are {known}")
        properties = {**exec_properties, standard_component_specs.SCHEMA_FILE_KEY: str(path)}
        super().Do(input_dict, output_dict, properties)
