"""A pushed version's log beside the log as it is: every check, wherever it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import contract
from components.common import storage
from components.common.metrics import names
from components.example_gen.params import ExampleGenParams
from components.pusher.versions import Version, item_ids
from pipeline.drift import checks, served
from pipeline.drift.checks import Finding
from pipeline.drift.log import Log, of_version, read
from pipeline.drift.params import DriftParams
from pipeline.errors import InputError

if TYPE_CHECKING:
    from tfx.types.artifact import Artifact


def findings(
    last: Version,
    now: Log,
    requests: Sequence[str],
    params: DriftParams,
    stored: Callable[[], Log],
) -> tuple[list[Finding], dict[str, int]]:
    """Every check, and how many events there were before and are newer.

    Args:
      last: the version that is served; its towers may be an older one's.
      now: the log as it is.
      requests: PredictionLogs that the server wrote.
      stored: finds the log of a version that carries none.

    Raises:
      InputError: a file of requests is not there, or `stored` finds no log.
    """
    before = of_version(last.path)
    if before is None:
        before = stored()
    known = {item.encode() for item in item_ids(last.path)}
    found = checks.of_logs(before, now, known, params)
    measure = tested(last)
    with storage.on_this_machine(last.path_exact or "") as model:
        if measure is not None and model and before.last:
            found.append(served.recall(model, measure, before, now, params))
        if requests:
            try:
                sample = served.sampled(requests)
            except FileNotFoundError as error:
                raise InputError(f"requests: there is no file {error}; expected PredictionLogs") from error
            found += served.requests(sample, known, params)
            if model:
                found.append(served.scores(model, sample, before, params))
    newer = len(now.after(before.last)) if before.last else len(now)
    return found, {"events": len(before), "newer": newer}


def tested(last: Version) -> float | None:
    """Recall@10 on the test split of the log that the towers were fitted to; None if it is not known.

    A refresh was measured on a newer log; what its towers came to stands among the earlier pushes.
    """
    fitted = next(
        (one for one in last.record.get(contract.EARLIER, []) if one["version"] == last.fitted_for),
        last.record,
    )
    return (fitted.get("metrics") or {}).get(names.RECALL_10)


def as_it_is(data: str, fingerprint: str, params: ExampleGenParams) -> Log:
    """The log as ExampleGen reads it, into a folder that goes afterwards.

    Args:
      data: files or folders, several as lines.
      fingerprint: of them.

    Raises:
      InputError: they cannot be read so.
    """
    from tfx.types.experimental.simple_artifacts import File
    from tfx.types.standard_artifacts import Examples

    from components.example_gen.errors import DataError
    from components.example_gen.executor import Executor

    with tempfile.TemporaryDirectory(prefix="marquee-drift-") as folder:
        outputs: dict[str, list[Artifact]] = {
            "timelines": [Examples()], "items": [Examples()], "quarantine": [File()]
        }  # fmt: skip
        for name, [artifact] in outputs.items():
            artifact.uri = str(Path(folder) / name)
            Path(artifact.uri).mkdir()
        properties = {
            "data_path": data,
            contract.DATA_FINGERPRINT: fingerprint,
            contract.PARAMS: params.to_json(),
        }
        try:
            Executor().Do({}, outputs, properties)
        except DataError as error:
            raise InputError(str(error)) from error
        return read(*(outputs[name][0].uri for name in ("timelines", "items")))
