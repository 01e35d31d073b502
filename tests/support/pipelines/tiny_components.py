"""Components of a few milliseconds for tests of the runner; each appends its name to a file.

TFX reads the annotations at run time: no `from __future__ import annotations` here.
"""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import InfraBlessing, Model, ModelBlessing, PushedModel

import contract
from components.common import progress
from components.data_check.anomalies import Anomaly, DataCheckError
from components.evaluator.gates import Gate
from components.evaluator.report import write_gates
from components.example_gen.errors import DataError
from components.pusher.versions import SAVED_MODEL
from components.serving_check.report import write_report
from components.serving_check.verdict import Verdict


class TinyError(Exception):
    """As a room's own error: its module is made to look like one below."""


TinyError.__module__ = "components.tiny.errors"


def _trace(path: str, name: str) -> None:
    with Path(path).open("a") as file:
        file.write(name + "\n")


@component
def Make(model: OutputArtifact[Model], trace: Parameter[str], value: Parameter[str]):  # noqa: N802
    _trace(trace, "make")
    progress.report(1, 2, "half way")
    Path(model.uri, "value").write_text(value)


@component
def Talk(  # noqa: N802
    model: InputArtifact[Model], copy: OutputArtifact[Model], trace: Parameter[str], mode: Parameter[str]
):
    """Writes to every channel that must end in the log; `mode` decides how it ends."""
    _trace(trace, "talk")
    print("from print")  # noqa: T201
    logging.getLogger("tiny").info("from logging")
    os.write(2, b"from descriptor 2\n")
    subprocess.run([sys.executable, "-c", "print('from a child process')"], check=True)
    if mode == "own error":
        raise TinyError("feature year of split train: 12 items have year 3000\nfix movies.csv")
    if mode == "data error":
        raise DataError("ratings.csv", "rating is '7', expected 0.5 to 5.0 in steps of 0.5", 3)
    if mode == "data check error":
        raise DataCheckError([Anomaly("items", "train", "year", "Out-of-range values", "3000")])
    if mode == "foreign error":
        raise KeyError("towers")
    if mode == "fill the disk":
        with Path(copy.uri, "half").open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
    if mode == "sleep":
        _trace(trace, "sleeping")
        time.sleep(60)
    Path(copy.uri, "value").write_text(Path(model.uri, "value").read_text())


@component
def Judge(  # noqa: N802
    model: InputArtifact[Model],
    blessing: OutputArtifact[ModelBlessing],
    infra: OutputArtifact[InfraBlessing],
    trace: Parameter[str],
    value: Parameter[float],
):
    """Blesses a value of at least 0.5."""
    _trace(trace, "judge")
    ok = value >= 0.5
    write_gates(blessing.uri, [Gate("recall@10 floor", value, 0.5, ok, "at least" if ok else "below")])
    blessing.set_int_custom_property("blessed", int(ok))
    write_report(infra.uri, [Verdict(model, True, 0.1, "", "") for model in contract.MODELS])
    infra.set_int_custom_property("blessed", 1)


@component
def Push(  # noqa: N802
    blessing: InputArtifact[ModelBlessing],
    pushed: OutputArtifact[PushedModel],
    trace: Parameter[str],
    destination: Parameter[str],
):
    _trace(trace, "push")
    if not blessing.get_int_custom_property("blessed"):
        pushed.set_int_custom_property("pushed", 0)
        return
    for model in contract.MODELS:
        folder = Path(destination).parents[1] / model / Path(destination).name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SAVED_MODEL).touch()
    (Path(destination) / contract.PUSHED).write_text("{}")
    pushed.set_int_custom_property("pushed", 1)
    pushed.set_string_custom_property("pushed_destination", destination)
