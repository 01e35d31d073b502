"""What old runs leave, and what the cache and newer runs need of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from support.pipelines.tiny_pipeline import create_pipeline, ran

from pipeline.retention import artifacts as artifact_retention
from pipeline.runs import local_runner, run_records
from pipeline.runs.metadata_store import connection_config
from pipeline.runs.run_records import NodeRun


class Silent:
    def planned(self, node_ids: Sequence[str]) -> None: ...
    def started(self, node_id: str) -> None: ...
    def finished(self, outcome: NodeRun) -> None: ...
    def failed(self, node_id: str, seconds: float) -> None: ...


def run(root: Path, number: int, **options: float) -> list[str]:
    local_runner.run(create_pipeline(root, **options), f"run-{number}", Silent())
    return ran(root)


def keep(root: Path, runs: int) -> artifact_retention.Freed:
    return artifact_retention.apply(store(root), "marquee", str(root), runs)


def store(root: Path) -> MetadataStore:
    return MetadataStore(connection_config(f"sqlite:///{root}/metadata.sqlite"))


def uris(root: Path, node: str) -> list[str]:
    """Of each run, oldest first."""
    found = [each.node(node) for each in run_records.runs(store(root), "marquee")]
    return [next(iter(each.outputs.values()))[0].uri for each in found if each]


def test_only_what_no_kept_run_made_or_reused_goes(tmp_path: Path) -> None:
    assert run(tmp_path, 1) == ["make", "talk", "judge", "push"]
    assert run(tmp_path, 2) == []  # everything from the cache
    reused = Path(uris(tmp_path, "make")[0])
    (reused / "value").unlink()  # somebody's broom
    reused.rmdir()
    assert run(tmp_path, 3) == ["make", "talk", "judge", "push"]
    first, _, newest = map(Path, uris(tmp_path, "talk"))
    assert keep(tmp_path, 2) == artifact_retention.Freed(0, 0)  # the second run reused the first one's
    assert first.exists()

    assert keep(tmp_path, 1) == artifact_retention.Freed(1, 4096)
    assert not first.exists() and newest.exists()
    # Verdicts of all runs can still be told, and the newest run's cache holds.
    assert all(Path(uri).exists() for uri in uris(tmp_path, "judge"))
    assert run(tmp_path, 4) == []
    assert keep(tmp_path, 1) == artifact_retention.Freed(0, 0)


def test_nothing_outside_the_folder_is_touched(tmp_path: Path) -> None:
    run(tmp_path, 1)
    made = Path(uris(tmp_path, "make")[0])
    made.rename(tmp_path / "away")
    run(tmp_path, 2)
    (tmp_path / "away").rename(made)
    known = store(tmp_path)
    assert artifact_retention.apply(known, "marquee", str(tmp_path / "make" / "m"), 1).artifacts == 0
    assert made.exists()
