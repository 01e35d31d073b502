"""What a push leaves in the served folders, and in which order."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import contract
from components.common import storage
from components.pusher import claim, versions
from components.pusher.publish import publish

Sources = Callable[..., dict[str, str]]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_both_models_under_one_number(make_sources: Sources, tmp_path: Path) -> None:
    sources, served = make_sources("a"), tmp_path / "served"
    version = publish(sources, str(served), {"run": "r1"}, now=1_700_000_000.5)
    assert version.number == 1_700_000_000
    record = json.loads((served / contract.MODEL / "1700000000" / contract.PUSHED).read_text())
    assert record == version.record
    assert (record["run"], record["version"], record["time"]) == (
        "r1",
        1_700_000_000,
        "2023-11-14T22:13:20+00:00",
    )
    for model in contract.MODELS:
        pushed = files(served / model / "1700000000")
        pushed.pop(contract.PUSHED, None)
        assert pushed == files(Path(sources[model]))
        assert record["sha256"][model] == {
            name: hashlib.sha256(content).hexdigest() for name, content in pushed.items()
        }
    # Nothing else is left: no claim, no hidden folder.
    assert sorted(p.name for p in served.glob("*/*")) == ["1700000000", "1700000000"]
    assert versions.latest(str(served)) == version


def test_a_record_is_only_beside_the_first_model(make_sources: Sources, tmp_path: Path) -> None:
    publish(make_sources("a"), str(tmp_path / "served"), {}, now=5)
    assert not (tmp_path / "served" / contract.MODEL_EXACT / "5" / contract.PUSHED).exists()


def test_numbers_only_grow(make_sources: Sources, tmp_path: Path) -> None:
    served = str(tmp_path / "served")
    first = publish(make_sources("a"), served, {}, now=1000)
    same_second = publish(make_sources("b"), served, {}, now=1000)
    clock_went_back = publish(make_sources("c"), served, {}, now=10)
    assert [first.number, same_second.number, clock_went_back.number] == [1000, 1001, 1002]
    assert [v.number for v in versions.list_versions(served)] == [1000, 1001, 1002]


def test_a_source_without_model_is_named(make_sources: Sources, tmp_path: Path) -> None:
    sources = make_sources("a")
    (Path(sources[contract.MODEL_EXACT]) / "saved_model.pb").unlink()
    with pytest.raises(ValueError, match=r"holds no saved_model\.pb: nothing to push as marquee-exact"):
        publish(sources, str(tmp_path / "served"), {}, now=5)
    assert not (tmp_path / "served").exists()


def test_exact_is_visible_first_and_the_record_comes_with_the_last(
    make_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, seen = tmp_path / "served", []
    rename = storage.rename_folder

    def watch(source: str, target: str) -> None:
        seen.append(sorted(str(p.relative_to(served)) for p in served.glob("marquee*/[0-9]*")))
        assert Path(source).name.startswith(".")
        if contract.MODEL_EXACT not in target:
            assert (Path(source) / contract.PUSHED).exists()
        rename(source, target)

    monkeypatch.setattr(storage, "rename_folder", watch)
    publish(make_sources("a"), str(served), {}, now=5)
    assert seen == [[], ["marquee-exact/5"]]


@pytest.mark.parametrize("store", ["local", "remote"])
def test_the_tested_model_is_there_before_what_was_fitted_again(
    make_sources: Sources, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = str(tmp_path / "served") if store == "local" else f"ram://{tmp_path.name}/served"
    sources = make_sources("a", contract.MODEL_TESTED)
    written: list[str] = []
    copy = storage.copy_file
    monkeypatch.setattr(storage, "copy_file", lambda *paths: written.append(paths[1]) or copy(*paths))
    version = publish(sources, served, {contract.FINAL_FIT: contract.ALL}, now=5)
    models = [path.removeprefix(served).split("/")[1] for path in written if path.endswith("saved_model.pb")]
    assert models == [contract.MODEL_TESTED, contract.MODEL_EXACT, contract.MODEL]
    tested = storage.join(served, contract.MODEL_TESTED, "5")
    assert storage.list_files(tested) == storage.list_files(sources[contract.MODEL_TESTED])
    assert set(version.record["sha256"]) == {contract.MODEL_TESTED, *contract.MODELS}
    assert versions.list_versions(served) == [version]
    assert version.path_tested == version.unseen == tested


def test_what_has_not_seen_the_test_split(make_sources: Sources, tmp_path: Path) -> None:
    served = str(tmp_path / "served")
    plain = publish(make_sources("a"), served, {contract.FINAL_FIT: contract.TRAIN}, now=5)
    assert (plain.path_tested, plain.unseen) == (None, plain.path)
    publish(make_sources("b", contract.MODEL_TESTED), served, {contract.FINAL_FIT: contract.ALL}, now=6)
    storage.remove_tree(versions.folder(served, contract.MODEL_TESTED, 6))
    latest = versions.latest(served)
    assert latest is not None and latest.number == 6
    assert latest.unseen is None


def test_threads_never_share_a_number(make_sources: Sources, tmp_path: Path) -> None:
    served, sources = str(tmp_path / "served"), make_sources("a")
    with ThreadPoolExecutor(12) as pool:
        pushed = list(pool.map(lambda i: publish(sources, served, {"run": str(i)}, now=1000), range(36)))
    assert len({version.number for version in pushed}) == 36
    recorded = versions.list_versions(served)
    assert sorted(v.record["run"] for v in recorded) == sorted(str(i) for i in range(36))
    assert all(version.path_exact for version in recorded)
    assert storage.list_names(storage.join(served, claim.CLAIMS)) == []


def test_processes_never_share_a_number(make_sources: Sources, tmp_path: Path) -> None:
    code = (
        "import json, sys; from components.pusher.publish import publish\n"
        "for i in range(5): publish(json.loads(sys.argv[1]), sys.argv[2], {'run': sys.argv[3]}, now=1000)"
    )
    served = str(tmp_path / "served")
    arguments = [json.dumps(make_sources("a")), served]
    running = [subprocess.Popen([sys.executable, "-c", code, *arguments, str(i)]) for i in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    recorded = versions.list_versions(served)
    assert len(recorded) == 20
    assert sorted(v.record["run"] for v in recorded) == sorted("0123" * 5)


def test_a_push_whose_claim_was_taken_away_stops(
    make_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, copy = tmp_path / "served", storage.copy_file

    def slow(source: str, target: str) -> str:
        for path in (served / claim.CLAIMS).iterdir():
            path.unlink()
        return copy(source, target)

    monkeypatch.setattr(storage, "copy_file", slow)
    with pytest.raises(RuntimeError, match="claim on version 5 was removed"):
        publish(make_sources("a"), str(served), {}, now=5)
    assert versions.numbers(str(served), contract.MODEL) == []


@pytest.fixture
def store(request: pytest.FixtureRequest) -> str:
    """A folder of TensorFlow's in-memory file system: no rename in one step, no exclusive create."""
    return f"ram://{request.node.name}/served"


def test_object_store_order(make_sources: Sources, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """saved_model.pb is the last file of each model, the record the very last."""
    written: list[str] = []
    copy, write = storage.copy_file, storage.write_text

    def copying(source: str, target: str) -> str:
        written.append(target.removeprefix(store))
        return copy(source, target)

    def writing(path: str, text: str) -> None:
        written.append(path.removeprefix(store))
        write(path, text)

    monkeypatch.setattr(storage, "copy_file", copying)
    monkeypatch.setattr(storage, "write_text", writing)
    version = publish(make_sources("a"), store, {}, now=7)
    assert [name for name in written if "/.claims/" not in name] == [
        "/marquee-exact/7/assets.extra/index.json",
        "/marquee-exact/7/variables/variables.index",
        "/marquee-exact/7/saved_model.pb",
        "/marquee/7/assets.extra/index.json",
        "/marquee/7/variables/variables.index",
        "/marquee/7/saved_model.pb",
        "/marquee/7/PUSHED.json",
    ]
    assert versions.list_versions(store) == [version]
    assert storage.list_names(storage.join(store, claim.CLAIMS)) == []


def test_object_store_claims_never_meet(make_sources: Sources, store: str) -> None:
    sources = make_sources("a")
    with ThreadPoolExecutor(6) as pool:
        pushed = list(pool.map(lambda i: publish(sources, store, {"run": str(i)}, now=1000), range(12)))
    assert len({version.number for version in pushed}) == 12
    assert sorted(v.record["run"] for v in versions.list_versions(store)) == sorted(str(i) for i in range(12))


def test_object_store_claimants_that_meet_never_both_win(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have written their token before either looks: at most one takes the number."""
    both_wrote, write, wrote = threading.Barrier(2), storage.write_text, threading.local()

    def write_then_wait(path: str, text: str) -> None:
        write(path, text)
        if not hasattr(wrote, "first"):
            wrote.first = True
            both_wrote.wait(10)

    monkeypatch.setattr(storage, "write_text", write_then_wait)
    with ThreadPoolExecutor(2) as pool:
        held = list(pool.map(lambda _: claim.acquire(store, 1000).number, range(2)))
    assert held[0] != held[1]


def test_claims_without_any_pause(tmp_path: Path) -> None:
    """The claim alone, hammered: a number is held by one holder at a time and never again once published."""
    served = str(tmp_path)
    held: list[int] = []

    def hold(_: int) -> None:
        mine = claim.acquire(served, 50)
        held.append(mine.number)
        storage.write_text(storage.join(versions.folder(served, contract.MODEL, mine.number), "x"), "")
        mine.release()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(hold, range(100)))
    assert sorted(held) == list(range(50, 150))


def test_what_a_push_that_failed_had_made_visible_goes_out_of_sight_whole(
    make_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that looks meanwhile finds all of the second model or none of it."""
    served, rename, removed = tmp_path / "served", storage.rename_folder, []

    def fails_at_the_last(source: str, target: str) -> None:
        if Path(target).parent.name == contract.MODEL and Path(target).name.isdigit():
            raise OSError("the disk is gone")
        rename(source, target)

    def remove(path: str, strict: bool = False) -> None:
        removed.append(Path(path).name)
        assert not Path(path).exists() or not Path(path).name.isdigit(), "deleted file by file in sight"
        shutil.rmtree(path, ignore_errors=True)

    monkeypatch.setattr(storage, "rename_folder", fails_at_the_last)
    monkeypatch.setattr(storage, "remove_tree", remove)
    with pytest.raises(OSError, match="the disk is gone"):
        publish(make_sources("a"), str(served), {}, now=100)
    assert ".outgoing-100" in removed
    assert [path for path in served.rglob("*") if path.name == "saved_model.pb"] == []
