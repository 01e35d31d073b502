"""Versions come, fail and go, with real models in this process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.servers.coordinators import VARIABLES, config, damage, one, serving
from tensorflow_serving.apis import get_model_status_pb2

from serving.model_server.versions.servables import State, VersionStatus
from serving.protocol.errors import Code, StatusError

PutVersion = Callable[..., Path]


def test_states_are_those_of_the_api() -> None:
    theirs = get_model_status_pb2.ModelVersionStatus.State
    assert {state.name: int(state) for state in State} == dict(theirs.items())


def test_newer_version_takes_over_and_the_old_one_is_freed(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path)) as server:
            assert server.latest() == 1
            put_version(tmp_path, "0002")
            await server.until(lambda: server.latest() == 2)
            await server.until(lambda: server.versions() == {2: State.AVAILABLE, 1: State.END})
            assert [s.version for s in server.manager.statuses("m")] == [2, 1]
            assert server.status(1).code is Code.OK
            with pytest.raises(StatusError) as error:
                server.manager.acquire("m", 1)
            assert error.value.code is Code.NOT_FOUND
            assert error.value.message == "Servable not found for request: Specific(m, 1)"

    asyncio.run(run())


def test_a_version_in_use_is_freed_after_its_last_request(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path)) as server:
            with server.manager.acquire("m") as held:
                put_version(tmp_path, 2)
                await server.until(lambda: server.latest() == 2)
                assert server.versions()[1] is State.UNLOADING
                x = {"x": np.array([2.0], np.float32)}
                assert held.model.run("serving_default", x, ["y"])["y"].tolist() == [3.0]
                # The next swap does not wait for the request.
                put_version(tmp_path, 3)
                await server.until(lambda: server.latest() == 3)
                await server.until(lambda: server.versions()[2] is State.END)
                assert server.versions()[1] is State.UNLOADING
            await server.until(lambda: server.versions()[1] is State.END)
            assert held.model._session is None

    asyncio.run(run())


DAMAGES = (
    "truncated graph",
    "garbage graph",
    "empty graph",
    "truncated variables",
    "garbage variables",
    "garbage index",
    "truncated index",
    "no variables",
    "bad warm-up",
)


@pytest.mark.parametrize("how", DAMAGES)
def test_a_version_that_does_not_load_is_reported_and_the_old_one_goes_on(
    how: str, tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        base, elsewhere = tmp_path / "m", tmp_path / "elsewhere"
        put_version(base, 1)
        async with serving(one(base)) as server:
            broken = put_version(elsewhere, 2)
            damage(broken, how)
            broken.rename(base / "2")
            await server.until(lambda: server.versions().get(2) is State.END)
            status = server.status(2)
            assert status.code is not Code.OK
            assert status.message
            assert server.latest() == 1
            with pytest.raises(StatusError):
                server.manager.acquire("m", 2)
            # What comes after it is served.
            put_version(base, 3)
            await server.until(lambda: server.latest() == 3)

    asyncio.run(run())


def test_a_load_is_tried_again_as_often_as_asked(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        loads = []
        async with serving(one(base), max_num_load_retries=2) as server:
            load = server.manager._load
            server.manager._load = lambda path: loads.append(path) or load(path)  # type: ignore[func-returns-value]
            damage(put_version(tmp_path, 2), "truncated variables")
            (tmp_path / "2").rename(base / "2")
            await server.until(lambda: server.versions().get(2) is State.END)
            assert loads == [f"{base}/2"] * 3

    asyncio.run(run())


def test_between_tries_the_status_says_why(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        fields = {"max_num_load_retries": 1, "load_retry_interval_micros": 3_600_000_000}
        async with serving(one(base), **fields) as server:
            damage(put_version(tmp_path, 2), "no variables")
            (tmp_path / "2").rename(base / "2")
            await server.until(lambda: 2 in server.versions() and server.status(2).code is not Code.OK)
            assert server.status(2).state is State.LOADING
            assert server.latest() == 1
            # A newer version does not wait for the hour to pass.
            put_version(base, 3)
            await server.until(lambda: server.latest() == 3)
            assert server.versions()[2] is State.END

    asyncio.run(run())


@pytest.mark.parametrize("text", ['{"items": null}', "[1", "[]", '{"items": 1e999}', '{"items": 7}'])
def test_a_broken_description_costs_nothing_else(tmp_path: Path, put_version: PutVersion, text: str) -> None:
    async def run() -> None:
        async with serving(one(tmp_path)) as served:
            version = put_version(tmp_path.parent / f"{tmp_path.name}-made", 2)
            (version / "assets.extra").mkdir()
            (version / "assets.extra" / "model.json").write_text(text)
            version.rename(tmp_path / "2")
            await served.until(lambda: served.latest() == 2)
            with served.manager.acquire("m") as servable:
                assert servable.description is None

    put_version(tmp_path, 1)
    asyncio.run(run())


def test_a_base_path_that_is_none_is_waited_for(
    tmp_path: Path, put_version: PutVersion, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with serving(one(tmp_path)) as served:
            asked = config(one(tmp_path))
            asked.model_config_list.config.add(name="n", base_path="/a\0b", model_platform="tensorflow")
            reload = asyncio.ensure_future(served.coordinator.reload(asked))
            await served.until(lambda: "embedded null byte" in caplog.text)
            assert served.latest() == 1
            reload.cancel()

    put_version(tmp_path, 1)
    asyncio.run(run())


def test_a_half_copied_version_is_waited_for(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        complete = put_version(tmp_path, 2)
        async with serving(one(base)) as server:
            (base / "2").mkdir()
            shutil.copytree(complete / "variables", base / "2" / "variables")
            await asyncio.sleep(0.3)
            assert server.versions() == {1: State.AVAILABLE}
            # Even if the complete ones vanish, what is loaded stays until it can be replaced.
            shutil.rmtree(base / "1")
            await asyncio.sleep(0.3)
            assert server.latest() == 1
            shutil.copy(complete / "saved_model.pb", base / "2")
            await server.until(lambda: server.latest() == 2)

    asyncio.run(run())


def test_a_copy_in_the_wrong_order_fails_and_loads_once_it_is_complete(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        complete = put_version(tmp_path, 2)
        fields = {"max_num_load_retries": 5, "load_retry_interval_micros": 3_600_000_000}
        async with serving(one(base), **fields) as server:
            (base / "2").mkdir()
            shutil.copy(complete / "saved_model.pb", base / "2")
            await server.until(lambda: 2 in server.versions() and server.status(2).code is not Code.OK)
            assert server.latest() == 1
            shutil.copytree(complete / "variables", base / "2" / "variables")
            await server.until(lambda: server.latest() == 2)
            assert server.status(2) == VersionStatus(2, State.AVAILABLE)

    asyncio.run(run())


def test_files_that_change_while_they_are_read_are_not_served(
    tmp_path: Path, put_version: PutVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.model_server.versions import loading

    base = tmp_path / "m"
    real = loading.replay_warmup

    def overwrite(model: Any, path: str, iterations: int = 1) -> int:
        if path.endswith("/2"):
            data = (Path(path) / VARIABLES).read_bytes()
            (Path(path) / VARIABLES).write_bytes(data + b"more")
        return real(model, path, iterations)

    async def run() -> None:
        put_version(base, 1)
        monkeypatch.setattr(loading, "replay_warmup", overwrite)
        async with serving(one(base)) as server:
            put_version(base, 2)
            await server.until(lambda: server.versions().get(2) is State.END)
            assert server.status(2).code is Code.ABORTED
            assert "its files changed while it was loaded" in server.status(2).message
            assert VARIABLES.name in server.status(2).message
            monkeypatch.setattr(loading, "replay_warmup", real)
            (base / "2" / VARIABLES).write_bytes((base / "1" / VARIABLES).read_bytes())
            await server.until(lambda: server.latest() == 2)

    asyncio.run(run())


def test_at_the_start_older_versions_stand_in_for_one_that_does_not_load(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        put_version(base, 2)
        damage(put_version(base, 3), "truncated graph")
        async with serving(one(base), max_num_load_retries=5, load_retry_interval_micros=10**10) as server:
            assert server.latest() == 2
            assert 1 not in server.versions()
            assert server.status(3).code is not Code.OK
            shutil.rmtree(base / "3")
            put_version(base, 3)
            await server.until(lambda: server.latest() == 3)
            await server.until(lambda: server.versions()[2] is State.END)

    asyncio.run(run())


def test_the_start_fails_if_nothing_loads(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        damage(put_version(tmp_path, 7), "no variables")
        with pytest.raises(StatusError) as error:
            async with serving(one(tmp_path)):
                pass
        assert error.value.code is Code.UNKNOWN
        assert error.value.message.startswith(
            "1 servable(s) did not become available: {{{name: m version: 7} due to error: "
        )

    asyncio.run(run())


def test_vanished_base_path_keeps_what_is_loaded_and_an_empty_one_unloads(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        async with serving(one(base)) as server:
            base.rename(tmp_path / "away")
            await asyncio.sleep(0.3)
            assert server.latest() == 1
            base.mkdir()
            await server.until(lambda: server.versions() == {1: State.END})
            with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(m\)"):
                server.manager.acquire("m")
            put_version(base, 1)
            await server.until(lambda: server.latest() == 1)

    asyncio.run(run())


def test_versions_can_be_kept_when_the_last_folder_vanishes(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        put_version(base, 1)
        async with serving(one(base), servable_versions_always_present=True) as server:
            shutil.rmtree(base / "1")
            await asyncio.sleep(0.3)
            assert server.latest() == 1

    asyncio.run(run())


@pytest.mark.parametrize("always_present", [True, False])
def test_a_pinned_version_that_is_deleted_takes_the_last_answer_along_only_without_the_flag(
    always_present: bool, tmp_path: Path, put_version: PutVersion
) -> None:
    """A roll-back by `specific` outlives the retention of pushed versions."""

    async def run() -> None:
        for number in (1, 2, 3):
            put_version(tmp_path, number)
        pinned = one(tmp_path, "specific { versions: 1 }")
        async with serving(pinned, servable_versions_always_present=always_present) as server:
            assert server.latest() == 1
            (tmp_path / "1").rename(tmp_path / ".retired-1")
            if not always_present:
                await server.until(lambda: server.latest() is None)
                return
            await asyncio.sleep(0.3)
            assert server.latest() == 1
            # What the operator asks for next is served, and only then the pinned one is unloaded.
            await server.manager.reload(config(one(tmp_path, "specific { versions: 3 }")))
            await server.until(lambda: server.latest() == 3)
            await server.until(lambda: server.versions()[1] is State.END)
            # A model that the config removes is removed.
            await server.manager.reload(config(one(tmp_path, name="other")))
            await server.until(lambda: server.latest() is None)

    asyncio.run(run())


def test_a_missing_base_path_is_waited_for(
    tmp_path: Path, put_version: PutVersion, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        base = tmp_path / "m"
        asyncio.get_running_loop().call_later(0.5, put_version, base, 1)
        async with serving(one(base)) as server:
            assert server.latest() == 1

    asyncio.run(run())
    said = [record.message for record in caplog.records if "waiting for it" in record.message]
    assert said == [f"model m: cannot look into {tmp_path}/m: No such file or directory; waiting for it"]


def test_ended_versions_are_forgotten_in_the_end(
    tmp_path: Path, put_version: PutVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.model_server.versions import coordinator

    monkeypatch.setattr(coordinator, "_KEPT_ENDED", 2)

    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path)) as server:
            for version in range(2, 6):
                put_version(tmp_path, version)
                await server.until(lambda version=version: server.latest() == version)
                shutil.rmtree(tmp_path / str(version - 1))
            await server.until(lambda: server.versions() == {5: State.AVAILABLE, 4: State.END, 3: State.END})

    asyncio.run(run())
