"""One model, one fresh process, one verdict."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# The process that answers the warm-up requests. A name and not an import:
# components start serving only as a process, as production does.
SERVER_MODULE = "serving.warmup"
# The folder that holds both packages, for a process started from anywhere.
_PROJECT = Path(__file__).resolve().parents[2]
# Lines of output worth keeping in a reason.
_KEPT_LINES = 20


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of checking one model.

    Attributes:
      model: which one, of contract.MODELS.
      ok: it loaded and answered every request.
      seconds: from start to end of the process.
      reason: why not; "" if ok.
      output: last lines that the process printed.
    """

    model: str
    ok: bool
    seconds: float
    reason: str
    output: str


def check(model: str, model_dir: str, timeout_s: float, module: str = SERVER_MODULE) -> Verdict:
    """Runs `python -m serving.warmup MODEL_DIR` and reports; never raises for a bad model.

    Args:
      model: name for the report.
      model_dir: folder of the SavedModel.
      timeout_s: seconds after which the process and what it started are killed.
      module: what to run in place of the warm-up.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", module, model_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=_environment(),
        # A group of its own, so that a time-out ends its children too.
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        reason = f"no answer to all warm-up requests within {timeout_s:g} s; the process was killed"
        return Verdict(model, False, time.monotonic() - started, reason, _tail(output))
    seconds = time.monotonic() - started
    return Verdict(
        model, process.returncode == 0, seconds, _reason(process.returncode, output), _tail(output)
    )


def _reason(code: int, output: str) -> str:
    if code == 0:
        return ""
    if code < 0:
        return f"the process died of {signal.Signals(-code).name}"
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("{")]
    return lines[-1] if lines else f"the process ended with exit code {code} and said nothing"


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-_KEPT_LINES:])


def _environment() -> dict[str, str]:
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(_PROJECT), *([inherited] if inherited else [])])
    # The log of a healthy start would bury the reason.
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "PYTHONPATH": path}
