"""The curves of a fit, from what it wrote for TensorBoard."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

import contract
from components.common import storage
from pipeline.ask import user_timeline
from pipeline.ask.loaded import use_lean_tensorflow
from pipeline.runs.run_records import Run

_EVENTS: Final = "events.out.tfevents."


def of_run(run: Run) -> dict[str, Any]:
    """`fits`: by trainer what its fit came to and value by epoch of each curve; empty before the trainer."""
    fits = {}
    for node in run.nodes:
        for output in node.outputs.get("model_run", ()):
            path = storage.join(output.uri, contract.FIT)
            if storage.exists(path):
                fits[node.node] = {**json.loads(storage.read_text(path)), "curves": curves(output.uri)}
    return {"fits": fits}


def curves(folder: str) -> dict[str, list[tuple[int, float]]]:
    """(epoch, value) by name, such as loss/retrieval and eval/recall@10."""
    use_lean_tensorflow(folder)
    from tensorflow.core.util import event_pb2

    found: dict[str, list[tuple[int, float]]] = {}
    for name in storage.list_names(folder):
        if not name.startswith(_EVENTS):
            continue
        with storage.open_binary(storage.join(folder, name), "rb") as file:
            for record in user_timeline.framed(file):
                event = event_pb2.Event.FromString(record)
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append((event.step, _scalar(value)))
    return found


def _scalar(value: Any) -> float:
    if value.tensor.tensor_content:
        return float(struct.unpack("<f", value.tensor.tensor_content)[0])
    return float(value.tensor.float_val[0]) if value.tensor.float_val else float(value.simple_value)
