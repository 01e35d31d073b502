"""TFX's schema importer, for a file that lies beside the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen.import_schema_gen import executor
from tfx.types import artifact_utils, standard_component_specs

import components
import contract
from components.common import storage
from components.common.features import Features, own
from components.import_schema.own_features import add_features

_SCHEMAS = Path(components.__file__).parent / "transform" / "schemas"
_FILE = "schema.pbtxt"  # as TFX names it


class Executor(executor.Executor):
    """Copies `schema_file`, a name in components/transform/schemas, and adds the own features' schemas."""

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
        if contract.PARAMS in exec_properties:
            schema = text_format.Parse(path.read_text(), schema_pb2.Schema())
            features = Features.from_json(exec_properties[contract.PARAMS])
            add_features(schema, own(features.item))
            add_features(schema, features.user, contract.user_feature(""))
            uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
            storage.write_text(storage.join(uri, _FILE), text_format.MessageToString(schema))
