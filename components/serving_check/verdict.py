"""What came of checking a model. Apart from the check itself: who reads a report needs no TensorFlow."""

from __future__ import annotations

import dataclasses

from components.evaluator.gates import Gate
from components.serving_check.latency_gate import Latency


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of checking one model.

    Attributes:
      model: which one, of contract.MODELS.
      ok: it loaded and answered every request.
      seconds: from the server's start to the last answer of this model.
      reason: why not; "" if ok.
      output: last lines that the server printed.
      latency: of the model that is served, None if it was not measured; gates: what is said of it.
    """

    model: str
    ok: bool
    seconds: float
    reason: str
    output: str
    latency: Latency | None = None
    gates: tuple[Gate, ...] = ()
