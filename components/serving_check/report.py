"""The verdict beside the models: a marker file, and the reason for whoever asks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import contract
from components.common import storage
from components.evaluator.gates import Gate
from components.serving_check.verdict import Verdict

# As TFX's InfraValidator names them.
BLESSED = "INFRA_BLESSED"
NOT_BLESSED = "INFRA_NOT_BLESSED"
REPORT = "serving_check.json"

REFUSED_BY_GATES = "refused by the gates"


def write_report(uri: str, verdicts: Sequence[Verdict], skipped: str = "") -> bool:
    """Writes the marker and the report.

    Args:
      uri: folder of the InfraBlessing artifact.
      verdicts: one per model checked.
      skipped: why nothing was checked; "" if something was.

    Returns:
      Whether the models are blessed: every one of contract.MODELS is ok.
    """
    checked = {verdict.model: verdict for verdict in verdicts}
    ok = not skipped and all(name in checked and checked[name].ok for name in contract.MODELS)
    reason = skipped or "; ".join(
        f"{verdict.model}: {verdict.reason}" for verdict in verdicts if not verdict.ok
    )
    content = {"ok": ok, "reason": reason, "models": [dataclasses.asdict(verdict) for verdict in verdicts]}
    storage.write_text(storage.join(uri, REPORT), json.dumps(content, indent=2) + "\n")
    storage.write_text(storage.join(uri, BLESSED if ok else NOT_BLESSED), "")
    return ok


def read_infra_blessing(uri: str) -> tuple[bool, str]:
    """Whether the serving check passed, and the reason if it did not.

    Args:
      uri: folder of the InfraBlessing artifact.

    Raises:
      FileNotFoundError: the folder holds no report.
    """
    content = json.loads(storage.read_text(storage.join(uri, REPORT)))
    return storage.exists(storage.join(uri, BLESSED)) and bool(content["ok"]), str(content["reason"])


def read_latency(uri: str) -> list[Gate]:
    """What the serving check says of latency; empty if it was not measured.

    Args:
      uri: folder of the InfraBlessing artifact.

    Raises:
      FileNotFoundError: the folder holds no report.
    """
    content = json.loads(storage.read_text(storage.join(uri, REPORT)))
    return [Gate(**gate) for model in content["models"] for gate in model.get("gates", ())]
