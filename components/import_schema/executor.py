"""The TFX executor that makes a data set's schema of one that lies beside the sources."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types

import components
import contract
from components.common import feature_file, storage
from components.common.features import Features, own
from components.common.step import StepExecutor
from components.import_schema.own_features import add_features

EXAMPLES = "examples"
SCHEMA = "schema"
SCHEMA_FILE = "schema_file"

_SCHEMAS = Path(components.__file__).parent / "transform" / "schemas"
_FILE = "schema.pbtxt"  # as TFX names it


class Executor(StepExecutor):
    """Copies `schema_file`, a name in components/transform/schemas, with the data set's own features."""

    def run(
        self,
        inputs: Mapping[str, types.Artifact],
        outputs: Mapping[str, types.Artifact],
        properties: Mapping[str, Any],
    ) -> None:
        """Finds the file where these sources lie, on any machine.

        Raises:
          ValueError: there is no schema of that name.
        """
        path = _SCHEMAS / properties[SCHEMA_FILE]
        if not path.is_file():
            known = ", ".join(sorted(file.name for file in _SCHEMAS.glob("*.pbtxt")))
            raise ValueError(f"no schema {path.name} in {_SCHEMAS}; there are {known}")
        schema = text_format.Parse(path.read_text(), schema_pb2.Schema())
        if feature_file.read(inputs[EXAMPLES].uri).implicit:
            _put_weights(schema)
        features = Features.from_json(properties[contract.PARAMS])
        add_features(schema, own(features.item))
        add_features(schema, features.user, contract.user_feature(""))
        storage.write_text(storage.join(outputs[SCHEMA].uri, _FILE), text_format.MessageToString(schema))


def _put_weights(schema: schema_pb2.Schema) -> None:
    """Puts weights, up to 1, where the schema has ratings."""
    for feature in schema.feature:
        if feature.name in (*contract.WEIGHTS_OF, contract.RATING_MEAN):
            feature.name = contract.of_feedback(feature.name, implicit=True)
            feature.float_domain.min, feature.float_domain.max = 0.0, 1.0
