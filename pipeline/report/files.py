"""Where reports lie: `reports/<run>.json`, the document, and `<run>.html`, the page."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from components.common import storage
from pipeline.errors import InputError
from pipeline.terminal.typed import typed

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

    from pipeline.config.sections import Config

_FOLDER: Final = "reports"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Written:
    """A report that lies there: the page's path, and the document."""

    path: str
    document: dict[str, Any]


def folder(config: Config) -> str:
    return storage.join(config.artifacts_dir, _FOLDER)


def of_runs(config: Config, run_ids: Collection[str]) -> list[str]:
    """Paths of every file that tells of one of these runs, comparisons too."""
    names = storage.list_names(folder(config))
    return [storage.join(folder(config), name) for name in names if any(run_id in name for run_id in run_ids)]


def write_after_run(config: Config, store: MetadataStore, run_id: str, error: str = "") -> str:
    """Writes the report of a run that has ended; never raises.

    Returns:
      One line for the terminal: where it is, or why there is none.
    """
    started = time.monotonic()
    try:
        written = _write(config, store, run_id, error, None)
    except Exception as problem:  # noqa: BLE001 (a run that went well must not fail by its report)
        _log.warning("no report of run %s", run_id, exc_info=True)
        return f"report  none: {type(problem).__name__}: {problem}; `{typed('report', run_id)}` tries again"
    _log.info("report of run %s written in %.1f s", run_id, time.monotonic() - started)
    return f"report  {written.path}"


def write(config: Config, store: MetadataStore | None, run_id: str) -> Written:
    """Gathers and writes the report of a run of the metadata store, over one that is there.

    The config and the packages of a run are in no store: they are those of the report that it wrote when
    it ended, or are not known. Those of today may be others.

    Raises:
      InputError: there is no such run.
    """
    path = storage.join(folder(config), f"{run_id}.json")
    earlier = json.loads(storage.read_text(path)) if storage.exists(path) else {}
    lineage = earlier.get("lineage", {})
    then = {key: lineage.get(key, {}) for key in ("config", "packages")}
    return _write(config, store, run_id, earlier.get("error", ""), then)


def _write(
    config: Config, store: MetadataStore | None, run_id: str, error: str, lineage: dict[str, Any] | None
) -> Written:
    """
    Args:
      error: why the run failed, "" if it did not.
      lineage: what is known of the run instead of what is so now; None: it has just ended.
    """
    from pipeline.commands.common import finite
    from pipeline.report import document, page
    from pipeline.runs import run_records

    known = run_records.runs(store, config.name) if store else []
    place = next((i for i, run in enumerate(known) if run.run_id == run_id), None)
    if place is None:
        raise InputError(
            f"no run {run_id} of {config.name} in {config.artifacts_dir}; `{typed('runs')}` lists them"
        )
    found = finite(document.gather(config, known[place], known[:place], error))
    found["lineage"].update(lineage or {})
    storage.write_text(storage.join(folder(config), f"{run_id}.json"), json.dumps(found, allow_nan=False))
    path = storage.join(folder(config), f"{run_id}.html")
    storage.write_text(path, page.report(found))
    return Written(path, found)


def write_drift(config: Config, document: dict[str, Any]) -> str:
    """Writes what `marquee drift` found as `drift.json` and `drift.html`, over the last; the page's path."""
    from pipeline.report import page

    source, path = (storage.join(folder(config), f"drift.{kind}") for kind in ("json", "html"))
    storage.write_text(source, json.dumps(document, allow_nan=False))
    storage.write_text(path, page.drift(document))
    return path


def find(config: Config, store: MetadataStore | None, run_id: str | None) -> Written:
    """The report of a run, the newest run's if none is named; written now if there is none yet.

    Raises:
      InputError: there is no such run, or no run at all.
    """
    run_id = run_id or newest(config, store)
    path, source = (storage.join(folder(config), f"{run_id}.{kind}") for kind in ("html", "json"))
    if storage.exists(path) and storage.exists(source):
        return Written(path, json.loads(storage.read_text(source)))
    return write(config, store, run_id)


def newest(config: Config, store: MetadataStore | None) -> str:
    """Id of the newest run.

    Raises:
      InputError: there is none.
    """
    from pipeline.runs import run_records

    known = run_records.runs(store, config.name) if store else []
    if not known:
        raise InputError(f"no run of {config.name} in {config.artifacts_dir} yet; next  {typed('run')}")
    return known[-1].run_id


def compare(config: Config, store: MetadataStore | None, left: str, right: str) -> str:
    """Writes the page of two runs side by side; returns its path.

    Raises:
      InputError: one of them is no run.
    """
    from pipeline.report import page

    a, b = (find(config, store, run_id).document for run_id in (left, right))
    path = storage.join(folder(config), f"{left}-{right}.html")
    storage.write_text(path, page.comparison(a, b))
    return path
