"""What servers see after roll-backs and retirements: nothing is lost, and every state is reached again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import contract
from components.common import storage
from components.pusher import lifecycle, retention, versions
from components.pusher.publish import publish

Sources = Callable[..., dict[str, str]]


@pytest.fixture
def served(make_sources: Sources, tmp_path: Path) -> str:
    """Versions 100, 200 and 300 of all three models."""
    for number in (100, 200, 300):
        publish(make_sources("a", contract.MODEL_TESTED), str(tmp_path / "served"), {}, now=number)
    return str(tmp_path / "served")


def seen(served: str) -> list[int]:
    """The same for every model, or it fails."""
    found = {model: versions.numbers(served, model) for model in versions.ORDER}
    assert len({tuple(numbers) for numbers in found.values()}) == 1, found
    return found[contract.MODEL]


def latest(served: str) -> int:
    found = versions.latest(served)
    assert found is not None
    return found.number


def test_back_and_forward_again(served: str) -> None:
    before = {path.relative_to(served): path.read_bytes() for path in Path(served).rglob("*.pb")}
    event = lifecycle.roll_back(served, None, "too many old items")
    assert (event.version, event.withdrawn, event.restored) == (200, (300,), ())
    assert seen(served) == [100, 200] and lifecycle.withdrawn(served) == [300]
    # The next gate compares with it, not with what was rolled back from.
    assert latest(served) == 200
    assert lifecycle.roll_back(served, 100, "").withdrawn == (200,)
    assert lifecycle.roll_back(served, 300, "").restored == (300,)
    assert seen(served) == [100, 300] and lifecycle.withdrawn(served) == [200]
    lifecycle.roll_back(served, 200, "")
    lifecycle.roll_back(served, 300, "")
    assert seen(served) == [100, 200, 300]
    assert {path.relative_to(served): path.read_bytes() for path in Path(served).rglob("*.pb")} == before


def test_a_roll_back_during_a_push_takes_no_half_of_it(
    served: str, make_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exact model went out of sight, then the rest of it came, and answered."""
    refused = []
    rename = storage.rename_folder

    def renamed(source: str, target: str) -> None:
        rename(source, target)
        if target.endswith(f"{contract.MODEL_EXACT}/400"):
            with pytest.raises(lifecycle.LifecycleError, match="version 400 is being pushed") as error:
                lifecycle.roll_back(served, 200, "")
            refused.append(error)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "rename_folder", renamed)
        publish(make_sources("a", contract.MODEL_TESTED), served, {}, now=400)
    assert len(refused) == 1 and seen(served) == [100, 200, 300, 400]
    assert lifecycle.roll_back(served, 200, "").withdrawn == (300, 400)
    assert seen(served) == [100, 200]


def test_a_user_without_a_name_is_recorded_by_number(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as any number; the roll-back was done, and then it failed."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr(lifecycle.getpass, "getuser", nobody)
    event = lifecycle.roll_back(served, None, "")
    assert event.who.partition("@")[0] == str(os.getuid())
    assert lifecycle.events(served) == [event]


def test_what_is_there_already_changes_nothing(served: str) -> None:
    event = lifecycle.roll_back(served, 300, "")
    assert (event.withdrawn, event.restored) == ((), ())
    assert seen(served) == [100, 200, 300]


def test_an_interrupted_one_ends_when_it_is_begun_again(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, left = lifecycle.storage.rename_folder, [2]

    def stops(source: str, target: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        rename(source, target)

    for number in (100, 300):
        monkeypatch.setattr(lifecycle.storage, "rename_folder", stops)
        left[0] = 2
        with pytest.raises(KeyboardInterrupt):
            lifecycle.roll_back(served, number, "")
        monkeypatch.setattr(lifecycle.storage, "rename_folder", rename)
        lifecycle.roll_back(served, number, "")
        assert seen(served)[-1] == number


def test_retire(served: str) -> None:
    lifecycle.retire(served, 200, "trained on a broken log")
    assert seen(served) == [100, 300]
    versions.pin(served, 100)
    with pytest.raises(lifecycle.LifecycleError, match="unpin it first"):
        lifecycle.retire(served, 100, "")
    with pytest.raises(lifecycle.LifecycleError, match=r"not in sight .* there are 100, 300, withdrawn 200"):
        lifecycle.retire(served, 200, "")
    lifecycle.retire(served, 300, "")
    versions.unpin(served, 100)
    with pytest.raises(lifecycle.LifecycleError, match="only one"):
        lifecycle.retire(served, 100, "")


def test_what_is_not_there_is_said(served: str, tmp_path: Path) -> None:
    with pytest.raises(lifecycle.LifecycleError, match=r"version 150 .* there are 100, 200, 300"):
        lifecycle.roll_back(served, 150, "")
    with pytest.raises(lifecycle.LifecycleError, match=r"no version before any .* there are none"):
        lifecycle.roll_back(str(tmp_path / "empty"), None, "")
    assert seen(served) == [100, 200, 300] and lifecycle.events(served) == []


def test_who_when_and_why_are_kept(served: str) -> None:
    lifecycle.roll_back(served, 100, "slow")
    lifecycle.roll_back(served, 300, "")
    first, second = lifecycle.events(served)
    assert (first.action, first.version, first.withdrawn, first.why) == ("rollback", 100, (200, 300), "slow")
    assert (second.restored, second.why) == ((300,), "")
    assert "@" in first.who and first.time < second.time


def test_retention_takes_withdrawn_ones_that_are_older_than_all_kept(
    served: str, make_sources: Sources
) -> None:
    lifecycle.retire(served, 100, "")
    lifecycle.retire(served, 200, "")
    publish(make_sources("b", contract.MODEL_TESTED), served, {}, now=400)
    hidden = lifecycle.hidden_folder(served, contract.MODEL, 200)
    assert retention.apply(served, 2) == [100, 200]
    assert not Path(hidden).exists() and seen(served) == [300, 400]


def test_retention_keeps_a_newer_withdrawn_one_and_a_pinned_one(served: str) -> None:
    versions.pin(served, 200)
    lifecycle.roll_back(served, 100, "")
    assert retention.apply(served, 1) == []
    assert lifecycle.withdrawn(served) == [200, 300]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["roll_back", "retire"]), st.sampled_from([100, 200, 300])), max_size=8
    )
)
def test_no_order_of_commands_loses_a_version(served: str, commands: list[tuple[str, int]]) -> None:
    for action, number in commands:
        try:
            getattr(lifecycle, action)(served, number, "")
        except lifecycle.LifecycleError:
            continue
        if action == "roll_back":
            assert latest(served) == number
    assert sorted(seen(served) + lifecycle.withdrawn(served)) == [100, 200, 300]
    assert seen(served)
