"""A disk that is full at any moment of a push: said, nothing left of it, and the next one works."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.small_disk import leave, small_disk

import contract
from components.common import disk, storage
from components.pusher import claim, retention, versions
from components.pusher.publish import publish

Sources = Callable[..., dict[str, str]]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 512) as folder:
        yield folder / "served"


def used(folder: Path) -> int:
    return sum(path.stat().st_blocks for path in folder.rglob("*") if path.is_file())


def test_a_push_that_finds_the_disk_full_gives_everything_back_at_once(
    make_sources: Sources, served: Path
) -> None:
    publish(make_sources("a"), str(served), {}, now=100)
    before = sorted(served.rglob("*")), used(served)
    # At every block that it needs.
    for kibibytes in range(0, 28, 4):
        filler = leave(served.parent, kibibytes)
        with pytest.raises(OSError) as error:
            publish(make_sources("b"), str(served), {}, now=200)
        assert disk.is_full(error.value)
        filler.unlink()
        after = [path for path in sorted(served.rglob("*")) if path.name != claim.CLAIMS]
        assert (after, used(served)) == ([p for p in before[0] if p.name != claim.CLAIMS], before[1])
        assert not claim.is_claimed(str(served), "200")
    assert publish(make_sources("b"), str(served), {}, now=200).number == 200


def test_what_is_missing_is_said_before_anything_is_copied(make_sources: Sources, served: Path) -> None:
    sources = make_sources("a")
    publish(sources, str(served), {}, now=100)
    leave(served.parent, 8)
    needed = sum(map(disk.tree_bytes, sources.values()))
    with pytest.raises(disk.DiskFullError) as error:
        retention.make_room(str(served), needed, keep=1)
    assert disk.is_full(error.value)
    assert f"The models take 24.0 KiB, and {served} has 8.0 KiB free: 16.0 KiB are missing." in str(
        error.value
    )
    assert versions.numbers(str(served), contract.MODEL) == [100]  # the last one is never given up


def test_what_the_push_would_retire_goes_first_where_there_is_no_room_for_one_more(
    make_sources: Sources, served: Path
) -> None:
    for number in (100, 200, 300):
        publish(make_sources("a"), str(served), {}, now=number)
    needed = sum(map(disk.tree_bytes, make_sources("b").values()))
    retention.make_room(str(served), needed, keep=3)
    assert versions.numbers(str(served), contract.MODEL) == [100, 200, 300]  # there is room enough
    leave(served.parent, 12)
    retention.make_room(str(served), needed, keep=3)
    assert versions.numbers(str(served), contract.MODEL) == [200, 300]
    assert publish(make_sources("b"), str(served), {}, now=400).number == 400


def test_an_interrupted_push_leaves_nothing_and_a_complete_one_stays(
    make_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = str(tmp_path / "served")
    rename = storage.rename_folder

    def interrupted(after: int) -> None:
        done = 0

        def once(source: str, target: str) -> None:
            nonlocal done
            done += 1
            rename(source, target)
            if done == after:
                raise KeyboardInterrupt

        monkeypatch.setattr(storage, "rename_folder", once)

    interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        publish(make_sources("a"), served, {}, now=100)
    assert [str(path) for path in Path(served).rglob("*") if path.is_file()] == []
    interrupted(2)  # everything is visible: servers may be loading it
    with pytest.raises(KeyboardInterrupt):
        publish(make_sources("a"), served, {}, now=100)
    assert versions.has_both_models(served, 100)
    assert not claim.is_claimed(served, "100")


def test_an_object_store_that_refuses_keeps_nothing(
    make_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, copied = "ram://full/served", []
    copy = storage.copy_file

    def refuses(source: str, target: str) -> str:
        copied.append(target)
        if len(copied) == 4:
            raise OSError("quota exceeded")
        return copy(source, target)

    monkeypatch.setattr(storage, "copy_file", refuses)
    with pytest.raises(OSError, match="quota"):
        publish(make_sources("a"), served, {}, now=100)
    assert storage.list_files(served) == []


def test_a_process_that_is_killed_meanwhile_leaves_room_to_its_successor(
    make_sources: Sources, served: Path
) -> None:
    """Its stage is swept once its claim is old."""
    publish(make_sources("a"), str(served), {}, now=100)
    code = (
        "import os, signal, sys; from components.common import storage; "
        "from components.pusher import claim; c = claim.acquire(sys.argv[1], 200); "
        "storage.write_text(sys.argv[1] + '/marquee/.incoming-200/half', 'x' * 300000); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(served)], check=False)
    assert claim.is_claimed(str(served), "200")
    retention.sweep(str(served), time.time() + claim.ABANDONED_AFTER + 1)
    assert not (served / contract.MODEL / ".incoming-200").exists()
