"""What a data set's own columns must look like: schemas generated from the config."""

from __future__ import annotations

from collections.abc import Iterable

from tensorflow_metadata.proto.v0 import schema_pb2

from components.common.features import FeatureSpec

_TYPES = {
    "categorical": schema_pb2.BYTES,
    "multi": schema_pb2.BYTES,
    "number": schema_pb2.FLOAT,
    "text": schema_pb2.BYTES,
}
_MAX_VALUES = 1000  # of a multi: more is a wrong separator or a text in the wrong column


def add_features(schema: schema_pb2.Schema, specs: Iterable[FeatureSpec], prefix: str = "") -> None:
    """Adds a feature for each spec, named with `prefix`; all are always present, if as empty lists."""
    for spec in specs:
        feature = schema.feature.add(name=prefix + spec.name, type=_TYPES[spec.kind])
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        if spec.kind == "text":
            feature.shape.dim.add(size=1)
            continue
        feature.value_count.max = _MAX_VALUES if spec.kind == "multi" else 1
        if spec.kind == "number":
            feature.float_domain.disallow_nan = feature.float_domain.disallow_inf = True
