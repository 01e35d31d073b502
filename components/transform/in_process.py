"""Transform's graph for a table of items, analysed in this process, not by a step: for the leaderboard."""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.tfxio import tf_example_record

from components.common.features import Features, own
from components.example_gen.records import write
from components.import_schema.own_features import add_features
from components.transform.params import TransformParams
from components.transform.preprocessing import custom_config, preprocessing_fn

_SCHEMA = Path(__file__).parent / "schemas" / "items.pbtxt"
# Folders of the graphs of this process, by what they were analysed on.
_graphs: dict[str, tempfile.TemporaryDirectory] = {}


def analysed(items: pa.Table, params: TransformParams, features: Features) -> str:
    """Folder of the graph, as the step's artifact has it; made once in a process.

    Args:
      items: schemas.items_schema of `features.item`.
      params: the config's transform section.
      features: what the columns mean.
    """
    config = custom_config(params, features.item)
    examples = write.encode(items)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for example in examples:
        digest.update(example)
    key = digest.hexdigest()
    if key not in _graphs:
        folder = tempfile.TemporaryDirectory(prefix="marquee-transform-")
        _analyse(examples, config, features, folder.name)
        _graphs[key] = folder
    return str(Path(_graphs[key].name) / "graph")


def _analyse(examples: list[bytes], config: dict[str, str], features: Features, folder: str) -> None:
    schema = text_format.Parse(_SCHEMA.read_text(), schema_pb2.Schema())
    add_features(schema, own(features.item))
    source = tf_example_record.TFExampleBeamRecord("inmem", ["items"], schema)
    with (
        tft_beam.Context(temp_dir=str(Path(folder) / "tmp")),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        data = pipeline | beam.Create(examples, reshuffle=False) | source.BeamSource()
        graph = (data, source.TensorAdapterConfig()) | tft_beam.AnalyzeDataset(
            functools.partial(preprocessing_fn, custom_config=config)
        )
        _ = graph | tft_beam.WriteTransformFn(str(Path(folder) / "graph"))
    raw = str(Path(folder) / "graph" / tft.TFTransformOutput.RAW_METADATA_DIR)
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw)
