"""SavedModels that the conformance suite asks, and the config to serve them with.

`pytest tests/serving/conformance --write-models FOLDER` writes them. Stock
operations only: any TensorFlow Serving loads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

v1 = tf.compat.v1

HALF = "half_plus_two"
ECHO = "echo"
PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"
STABLE, CANARY = "stable", "canary"
# What version 1 and 2 add to half of x.
ADDED = {1: 2.0, 2: 3.0}
TYPES = (
    *("float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("bool", "string", "float16", "bfloat16", "complex64", "complex128"),
)
CONFIG = "models.config"
MONITORING = "monitoring.config"
# How a server must be started on what is written; {} is the folder.
FLAGS = (
    "--model_config_file={}/" + CONFIG,
    "--monitoring_config_file={}/" + MONITORING,
    "--allow_version_labels_for_unavailable_models=true",
    "--enable_grpc_healthcheck_service=true",
)

Signatures = dict[str, Any]


def write(folder: Path) -> None:
    """All models, models.config and monitoring.config."""
    for version in ADDED:
        half_plus(folder / HALF / str(version), ADDED[version])
    echo(folder / ECHO / "1")
    (folder / CONFIG).write_text(config(folder))
    (folder / MONITORING).write_text(
        'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
    )


def config(folder: Path) -> str:
    """ModelServerConfig: two versions of half_plus_two with labels, one of echo."""
    return f"""
model_config_list {{
  config {{
    name: "{HALF}"
    base_path: "{folder / HALF}"
    model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "{STABLE}" value: 1 }}
    version_labels {{ key: "{CANARY}" value: 2 }}
  }}
  config {{ name: "{ECHO}" base_path: "{folder / ECHO}" model_platform: "tensorflow" }}
}}
"""


def half_plus(path: Path, added: float) -> None:
    """x/2 + added: of tensors, and of tf.Examples with a feature x (0 if it is missing)."""

    def build() -> Signatures:
        x = v1.placeholder(tf.float32, None, "x")
        half = v1.get_variable("half", initializer=0.5)
        examples = v1.placeholder(tf.string, [None], "examples")
        parsed = v1.parse_example(examples, {"x": v1.FixedLenFeature([1], tf.float32, [0.0])})
        y = half * parsed["x"] + added
        others = v1.placeholder(tf.string, [None], "other_examples")
        other = v1.parse_example(others, {"x": v1.FixedLenFeature([1], tf.float32, [0.0])})
        labels = tf.tile([["half", "plus"]], [tf.shape(y)[0], 1])
        return {
            "serving_default": (PREDICT, {"x": x}, {"y": half * x + added}),
            "regress_x_to_y": (REGRESS, {"inputs": examples}, {"outputs": y}),
            # An input of its own, as every signature of a TF2 model has.
            "regress_other_input": (REGRESS, {"inputs": others}, {"outputs": half * other["x"] + added + 1}),
            # Outputs of a type that no regression or classification has.
            "regress_whole": (REGRESS, {"inputs": examples}, {"outputs": tf.cast(y, tf.int32)}),
            "classify_whole": (CLASSIFY, {"inputs": examples}, {"scores": tf.cast(y, tf.int32)}),
            "classify_x_to_y": (CLASSIFY, {"inputs": examples}, {"scores": y}),
            "classify_labels": (
                CLASSIFY,
                {"inputs": examples},
                {"classes": labels, "scores": tf.concat([y, y + 1], 1)},
            ),
        }

    save(path, build)


def echo(path: Path) -> None:
    """Signatures that give back what came, fail or take their time."""

    def build() -> Signatures:
        text = v1.placeholder(tf.string, None, "text")
        a = v1.placeholder(tf.float32, [None], "a")
        b = v1.placeholder(tf.int32, [None], "b")
        checked = v1.placeholder(tf.float32, [None], "checked")
        with tf.control_dependencies([v1.assert_non_negative(checked, message="x must not be negative")]):
            unharmed = tf.identity(checked)
        never_set = v1.get_local_variable("never_set", initializer=0.0)
        steps = v1.placeholder(tf.int32, [None], "steps")
        signatures: Signatures = {
            "serving_default": (PREDICT, {"text": text}, {"text": tf.identity(text)}),
            "number": (PREDICT, {"text": text}, {"number": v1.string_to_number(text)}),
            "bytes": (PREDICT, {"text": text}, {"text_bytes": tf.identity(text)}),
            "two": (PREDICT, {"a": a, "b": b}, {"sum": a + tf.cast(b, tf.float32), "b": tf.identity(b)}),
            "total": (PREDICT, {"a": a}, {"total": tf.reduce_sum(a)}),
            "uneven": (PREDICT, {"a": a}, {"a": tf.identity(a), "first": a[:1]}),
            "checked": (PREDICT, {"x": checked}, {"x": unharmed}),
            "unready": (PREDICT, {"a": a}, {"y": a + never_set}),
            "slow": (PREDICT, {"steps": steps}, {"steps": _burn(steps)}),
        }
        for name in TYPES:
            x = v1.placeholder(tf.as_dtype(name), None, f"x_{name}")
            signatures[f"identity_{name}"] = (PREDICT, {"x": x}, {"y": tf.identity(x)})
        return signatures

    save(path, build)


def _burn(steps: tf.Tensor) -> tf.Tensor:
    """`steps` after as many multiplications of matrices as the largest of it says (below 1 ms each).

    More than 20,000 are none: a fuzzer must not keep a server busy for hours.
    """
    largest = tf.reduce_max(steps)
    count = tf.where(largest <= 20_000, largest, 0)
    matrix = tf.eye(256) * 0.5
    _, end = v1.while_loop(
        lambda i, _: i < count,
        lambda i, m: (i + 1, tf.matmul(m, matrix)),
        [0, tf.eye(256)],
    )
    with tf.control_dependencies([end]):
        return tf.identity(steps)


def save(path: Path, build: Callable[[], Signatures]) -> None:
    """Writes what `build` makes: name -> (method, inputs, outputs).

    The folder appears whole, as a server that polls must find it.
    """
    writing = path.with_name(f"writing-{path.name}")
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        signatures = {
            key: v1.saved_model.signature_def_utils.build_signature_def(
                {name: v1.saved_model.utils.build_tensor_info(tensor) for name, tensor in inputs.items()},
                {name: v1.saved_model.utils.build_tensor_info(tensor) for name, tensor in outputs.items()},
                method,
            )
            for key, (method, inputs, outputs) in build().items()
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(writing))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()
    writing.rename(path)
