"""What is deleted, and what never is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import contract
from components.common import storage
from components.pusher import claim, retention, versions
from components.pusher.params import PusherParams
from components.pusher.publish import publish

Sources = Callable[..., dict[str, str]]


def pushed(served: str, make_sources: Sources, count: int) -> list[int]:
    return [publish(make_sources("a"), served, {}, now=100 * (i + 1)).number for i in range(count)]


@given(
    numbers=st.sets(st.integers(1, 50), max_size=20).map(sorted),
    pinned=st.sets(st.integers(1, 50)),
    keep=st.integers(1, 25),
)
def test_rule(numbers: list[int], pinned: set[int], keep: int) -> None:
    gone = retention.to_delete(numbers, pinned, keep)
    assert not set(gone) & pinned
    assert not set(gone) & set(numbers[-keep:])
    assert set(numbers[:-keep]) - pinned == set(gone)


def test_oldest_of_both_models_go_and_pins_stay(make_sources: Sources, tmp_path: Path) -> None:
    served = tmp_path / "served"
    pushed(str(served), make_sources, 6)
    (served / contract.MODEL / "100" / contract.PINNED).touch()
    (served / contract.MODEL_EXACT / "300" / contract.PINNED).touch()
    assert retention.apply(str(served), 2) == [200, 400]
    for model in contract.MODELS:
        assert versions.numbers(str(served), model) == [100, 300, 500, 600]
        assert sorted(p.name for p in (served / model).iterdir()) == ["100", "300", "500", "600"]
    assert [v.pinned for v in versions.list_versions(str(served))] == [True, True, False, False]
    assert retention.apply(str(served), 2) == []


@pytest.mark.parametrize("store", ["local", "remote"])
def test_the_tested_model_goes_with_its_version(make_sources: Sources, tmp_path: Path, store: str) -> None:
    served = str(tmp_path / "served") if store == "local" else f"ram://{tmp_path.name}/served"
    for i in range(5):  # as if the config had changed in between
        sources = make_sources("a", contract.MODEL_TESTED) if i % 2 else make_sources("a")
        publish(sources, served, {}, now=100 * (i + 1))
    storage.write_text(storage.join(versions.folder(served, contract.MODEL_TESTED, 200), contract.PINNED), "")
    assert retention.apply(served, 1) == [100, 300, 400]
    assert versions.numbers(served, contract.MODEL_TESTED) == [200]
    for model in contract.MODELS:
        assert versions.numbers(served, model) == [200, 500]


def test_a_killed_pushs_tested_model_is_swept(make_sources: Sources, tmp_path: Path) -> None:
    served = str(tmp_path / "served")
    publish(make_sources("a", contract.MODEL_TESTED), served, {}, now=100)
    killed = claim.acquire(served, 200)
    for name in ("200", ".incoming-300"):
        (tmp_path / "served" / contract.MODEL_TESTED / name).mkdir()
    retention.sweep(served, 1e12)
    assert storage.list_names(storage.join(served, contract.MODEL_TESTED)) == ["100"]
    assert not claim.is_claimed(served, str(killed.number))


def test_a_number_under_which_only_a_tested_model_lies_is_taken(tmp_path: Path) -> None:
    (tmp_path / contract.MODEL_TESTED / "250").mkdir(parents=True)
    assert claim.acquire(str(tmp_path), 200).number == 251


def test_the_newest_stays(make_sources: Sources, tmp_path: Path) -> None:
    served = str(tmp_path / "served")
    pushed(served, make_sources, 3)
    retention.apply(served, 1)
    assert versions.numbers(served, contract.MODEL) == versions.numbers(served, contract.MODEL_EXACT) == [300]
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        PusherParams(keep_versions=0)


def test_a_folder_that_no_push_made_is_left_alone(make_sources: Sources, tmp_path: Path) -> None:
    served = tmp_path / "served"
    by_hand = served / contract.MODEL / "1"
    by_hand.mkdir(parents=True)
    (by_hand / "saved_model.pb").touch()
    pushed(str(served), make_sources, 3)
    retention.sweep(str(served), now=1e12)
    assert retention.apply(str(served), 1) == [100, 200]
    assert versions.numbers(str(served), contract.MODEL) == [1, 300]
    # And it is no version of ours: nothing vouches for it.
    assert [v.number for v in versions.list_versions(str(served))] == [300]


def test_a_version_is_renamed_away_before_it_is_deleted(
    make_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = str(tmp_path / "served")
    pushed(served, make_sources, 2)
    removed: list[str] = []
    monkeypatch.setattr(storage, "remove_tree", lambda path, strict=False: removed.append(path))
    retention.apply(served, 1)
    assert removed == [
        storage.join(served, contract.MODEL_EXACT, ".outgoing-100"),
        storage.join(served, contract.MODEL, ".outgoing-100"),
    ]
    assert versions.numbers(served, contract.MODEL) == [200]


def test_a_running_push_is_not_swept(make_sources: Sources, tmp_path: Path) -> None:
    served = str(tmp_path / "served")
    mine = claim.acquire(served, 100)
    staged = tmp_path / "served" / contract.MODEL / f".incoming-{mine.number}"
    staged.mkdir(parents=True)
    now = (tmp_path / "served" / claim.CLAIMS / "100").stat().st_mtime
    retention.sweep(served, now + claim.ABANDONED_AFTER - 1)
    assert staged.exists()
    assert claim.is_claimed(served, "100")
    retention.sweep(served, now + claim.ABANDONED_AFTER + 1)
    assert not staged.exists()
    assert not claim.is_claimed(served, "100")


def test_object_store(make_sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    served = "ram://retention/served"
    pushed(served, make_sources, 3)
    # A push that was killed before its last files.
    unfinished = claim.acquire(served, 400)
    for model in contract.MODELS:
        storage.write_text(storage.join(versions.folder(served, model, 400), "variables/x"), "")
    retention.sweep(served, now=1e12)
    assert versions.numbers(served, contract.MODEL) == [100, 200, 300, 400]  # ages unknown: left alone
    monkeypatch.setattr(storage, "seconds_since_change", lambda path, now: claim.ABANDONED_AFTER + 1)
    retention.sweep(served, now=1e12)
    assert not claim.is_claimed(served, str(unfinished.number))
    assert retention.apply(served, 2) == [100]
    for model in contract.MODELS:
        assert versions.numbers(served, model) == [200, 300]


def test_object_store_deletion_that_was_interrupted_is_ended(
    make_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = "ram://interrupted/served"
    pushed(served, make_sources, 2)
    remove, gone = storage.remove_file, []

    def dies(path: str) -> None:
        gone.append(path)
        if len(gone) == 5:
            raise KeyboardInterrupt
        remove(path)

    monkeypatch.setattr(storage, "remove_file", dies)
    with pytest.raises(KeyboardInterrupt):
        retention.apply(served, 1)
    assert [v.number for v in versions.list_versions(served)] == [200]
    monkeypatch.setattr(storage, "remove_file", remove)
    assert retention.apply(served, 1) == [100]
    for model in contract.MODELS:
        assert versions.numbers(served, model) == [200]


def test_a_broken_record_is_named(make_sources: Sources, tmp_path: Path) -> None:
    served = tmp_path / "served"
    pushed(str(served), make_sources, 1)
    (served / contract.MODEL / "100" / contract.PUSHED).write_text("{")
    with pytest.raises(ValueError, match=r"100/PUSHED\.json is not JSON .*remove this version's folder"):
        versions.latest(str(served))
