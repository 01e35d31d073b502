"""Versions come, fail and go, with real models in this process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.observe.metrics import Metrics
from serving.model_server.process import options
from serving.model_server.versions.coordinator import Coordinator
from serving.model_server.versions.loading import ModelLoader
from serving.model_server.versions.servables import Manager, State, VersionStatus
from serving.protocol.errors import Code, StatusError

PutVersion = Callable[..., Path]
# A copy in which each sort of damage is done.
VARIABLES = Path("variables", "variables.data-00000-of-00001")
INDEX = Path("variables", "variables.index")


def config(text: str) -> model_server_config_pb2.ModelServerConfig:
    return text_format.Parse(f"model_config_list {{ {text} }}", model_server_config_pb2.ModelServerConfig())


def one(base: Path, policy: str = "", name: str = "m", labels: str = "") -> str:
    chosen = f"model_version_policy {{ {policy} }}" if policy else ""
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {chosen} {labels} }}'


@dataclasses.dataclass
class Serving:
    coordinator: Coordinator
    manager: Manager
    bugs: list[BaseException]

    def versions(self, name: str = "m") -> dict[int, State]:
        try:
            return {status.version: status.state for status in self.manager.statuses(name)}
        except StatusError:
            return {}

    def status(self, version: int, name: str = "m") -> VersionStatus:
        return self.manager.statuses(name, version)[0]

    def latest(self, name: str = "m") -> int | None:
        try:
            with self.manager.acquire(name) as servable:
                x = np.array([2.0], np.float32)
                assert servable.model.run("serving_default", {"x": x}, ["y"])["y"].tolist() == [3.0]
                return servable.version
        except StatusError:
            return None

    async def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(600):
            assert not self.bugs, self.bugs
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"still not so after 12 s: {self.versions()}")


@contextlib.asynccontextmanager
async def serving(text: str, in_force: bool = False, **fields: Any) -> AsyncIterator[Serving]:
    flags = options.parse(["--model_base_path=/unused"], {})
    defaults: dict[str, Any] = {
        "file_system_poll_wait_seconds": 0.05,
        "load_retry_interval_micros": 50_000,
        "max_num_load_retries": 0,
    }
    parsed = dataclasses.replace(flags, config=config(text), **{**defaults, **fields})
    metrics = Metrics()
    manager = Manager(ModelLoader(parsed, metrics), metrics)
    bugs: list[BaseException] = []
    coordinator = Coordinator(parsed, manager, bugs.append)
    manager.reload_config = coordinator.reload
    try:
        await coordinator.start(in_force)
        yield Serving(coordinator, manager, bugs)
    finally:
        await coordinator.stop()
        await manager.close()
        assert not bugs


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


def damage(version: Path, how: str) -> None:
    if how == "truncated graph":
        os.truncate(version / "saved_model.pb", 500)
    elif how == "garbage graph":
        (version / "saved_model.pb").write_bytes(os.urandom(4096))
    elif how == "empty graph":
        (version / "saved_model.pb").write_bytes(b"")
    elif how == "truncated variables":
        os.truncate(version / VARIABLES, 1)
    elif how == "garbage variables":
        (version / VARIABLES).write_bytes(os.urandom(8))
    elif how == "garbage index":
        (version / INDEX).write_bytes(os.urandom(300))
    elif how == "truncated index":
        os.truncate(version / INDEX, 20)
    elif how == "no variables":
        shutil.rmtree(version / "variables")
    elif how == "bad warm-up":
        (version / "assets.extra").mkdir()
        (version / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"not a TFRecord")


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
def test_a_broken_index_file_costs_a_metric_only(tmp_path: Path, put_version: PutVersion, text: str) -> None:
    async def run() -> None:
        async with serving(one(tmp_path)) as served:
            version = put_version(tmp_path.parent / f"{tmp_path.name}-made", 2)
            (version / "assets.extra").mkdir()
            (version / "assets.extra" / "index.json").write_text(text)
            version.rename(tmp_path / "2")
            await served.until(lambda: served.latest() == 2)
            with served.manager.acquire("m") as servable:
                assert servable.index_size == (7 if "7" in text else None)

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


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("latest { num_versions: 2 }", {3, 2}), ("all {}", {1, 2, 3}), ("specific { versions: 1 }", {1})],
)
def test_policies(policy: str, expected: set[int], tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        for version in (1, 2, 3):
            put_version(tmp_path, version)
        async with serving(one(tmp_path, policy)) as server:
            await server.until(lambda: server.versions() == dict.fromkeys(expected, State.AVAILABLE))
            assert server.latest() == max(expected)
            for version in expected:
                with server.manager.acquire("m", version) as servable:
                    assert servable.version == version

    asyncio.run(run())


def test_policy_changes_by_reload(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        for version in (1, 2):
            put_version(tmp_path, version)
        async with serving(one(tmp_path)) as server:
            await server.manager.reload(config(one(tmp_path, "specific { versions: 1 }")))
            await server.until(lambda: server.latest() == 1)
            await server.until(lambda: server.versions()[2] is State.END)
            await server.manager.reload(config(one(tmp_path, "all {}")))
            await server.until(lambda: server.latest() == 2)

    asyncio.run(run())


def test_reload_replaces_the_whole_config(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path / "a", 1)
        put_version(tmp_path / "b", 5)
        async with serving(one(tmp_path / "a", name="a")) as server:
            await server.manager.reload(config(one(tmp_path / "b", name="b")))
            # It returns when the new model answers.
            assert server.latest("b") == 5
            assert server.manager.models() == ("b",)
            await server.until(lambda: server.versions("a") == {1: State.END})
            assert server.latest("a") is None
            await server.manager.reload(config(one(tmp_path / "a", name="a") + one(tmp_path / "b", name="b")))
            assert server.latest("a") == 1
            assert server.versions("a") == {1: State.AVAILABLE}

    asyncio.run(run())


def test_a_new_model_that_does_not_load_fails_the_reload_and_the_others_go_on(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        put_version(tmp_path / "a", 1)
        damage(put_version(tmp_path / "b", 1), "truncated graph")
        async with serving(one(tmp_path / "a", name="a")) as server:
            with pytest.raises(StatusError) as error:
                await server.manager.reload(
                    config(one(tmp_path / "a", name="a") + one(tmp_path / "b", name="b"))
                )
            assert error.value.code is Code.UNKNOWN
            assert error.value.message.startswith(
                "1 model(s) did not become available: {{{name: b version: 1}"
            )
            assert server.latest("a") == 1
            assert server.versions("b") == {1: State.END}

    asyncio.run(run())


def test_a_reload_that_nobody_waits_for_is_done_to_its_end(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path, name="a")) as server:
            for turns in range(10):
                name = f"given-up-after-{turns}"
                asked = config(one(tmp_path, name="a") + one(tmp_path, name=name))
                reload = asyncio.ensure_future(server.manager.reload(asked))
                for _ in range(turns):
                    await asyncio.sleep(0)
                reload.cancel()
                await asyncio.wait([reload])
                async with server.coordinator._reload_lock:
                    known = server.manager.models()
                if name in known:
                    await server.until(lambda name=name: server.latest(name) == 1)
            assert name in known

    asyncio.run(run())


def test_a_reload_that_waits_for_a_folder_does_not_hold_up_the_next_one(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        put_version(tmp_path / "a", 1)
        a = one(tmp_path / "a", name="a")
        async with serving(a) as server:
            waiting = asyncio.ensure_future(server.manager.reload(config(a + one(tmp_path / "b", name="b"))))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            await asyncio.wait_for(server.manager.reload(config(a)), 5)
            # Nobody waits for a model that is not wanted any more.
            await asyncio.wait_for(waiting, 5)
            assert server.manager.models() == ("a",)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            'config { name: "m" base_path: "/m" model_platform: "tensorflow" }' * 2,
            Code.INVALID_ARGUMENT,
            "Illegal to list model m multiple times in config list",
        ),
        (
            'config { name: "m" base_path: "m" model_platform: "tensorflow" }',
            Code.INVALID_ARGUMENT,
            "Expected model m to have an absolute path or URI; got base_path()=m",
        ),
        (
            'config { name: "x" base_path: "/m" }',
            Code.INVALID_ARGUMENT,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform.",
        ),
        (
            'config { name: "x" base_path: "/m" model_platform: "torch" }',
            Code.INVALID_ARGUMENT,
            "Model x requests unsupported platform torch",
        ),
        (
            'config { name: "m" base_path: "/m" model_platform: "torch" }',
            Code.INVALID_ARGUMENT,
            "Illegal to change a model's platform. For model m platform was tensorflow "
            "and new platform requested is torch",
        ),
        (
            'config { name: "m" base_path: "/m" model_platform: "tensorflow" '
            'version_labels { key: "stable" value: 9 } }',
            Code.FAILED_PRECONDITION,
            "Request to assign label to version 9 of model m, which is not currently available for inference",
        ),
    ],
)
def test_a_refused_config_changes_nothing(
    text: str, code: Code, message: str, tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path)) as server:
            with pytest.raises(StatusError) as error:
                await server.manager.reload(config(text))
            assert (error.value.code, error.value.message) == (code, message)
            assert server.manager.models() == ("m",)
            assert server.latest() == 1

    asyncio.run(run())


STABLE_1 = 'version_labels { key: "stable" value: 1 }'


def test_labels(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        for version in (1, 2):
            put_version(tmp_path, version)
        async with serving(one(tmp_path, "all {}")) as server:
            await server.until(lambda: len(server.versions()) == 2)
            with pytest.raises(StatusError, match="Unrecognized servable version label: stable") as error:
                server.manager.acquire("m", label="stable")
            assert error.value.code is Code.INVALID_ARGUMENT
            await server.until(lambda: set(server.versions().values()) == {State.AVAILABLE})
            await server.manager.reload(config(one(tmp_path, "all {}", labels=STABLE_1)))
            with server.manager.acquire("m", label="stable") as servable:
                assert servable.version == 1
            assert [s.version for s in server.manager.statuses("m", label="stable")] == [1]
            await server.manager.reload(config(one(tmp_path, "all {}", labels=STABLE_1.replace("1", "2"))))
            with server.manager.acquire("m", label="stable") as servable:
                assert servable.version == 2

    asyncio.run(run())


def test_a_label_at_the_start_needs_the_flag(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        with pytest.raises(StatusError, match="not currently available for inference"):
            async with serving(one(tmp_path, labels=STABLE_1)):
                pass
        allowed = {"allow_version_labels_for_unavailable_models": True}
        async with serving(one(tmp_path, labels=STABLE_1), **allowed) as server:
            with server.manager.acquire("m", label="stable") as servable:
                assert servable.version == 1
            # The flag is for new labels: one that exists moves only to what answers.
            with pytest.raises(StatusError, match="not currently available for inference"):
                await server.manager.reload(config(one(tmp_path, labels=STABLE_1.replace("1", "9"))))

    asyncio.run(run())


def test_labels_of_a_config_in_force_are_taken_at_the_start(tmp_path: Path, put_version: PutVersion) -> None:
    """A worker's successor has loaded nothing yet when it gets what was reloaded."""

    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path, labels=STABLE_1), in_force=True) as server:
            with server.manager.acquire("m", label="stable") as servable:
                assert servable.version == 1
            with pytest.raises(StatusError, match="not currently available for inference"):
                await server.manager.reload(config(one(tmp_path, labels=STABLE_1.replace("1", "9"))))

    asyncio.run(run())


def test_texts_for_what_is_not_there(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path, 1)
        async with serving(one(tmp_path)) as server:
            manager = server.manager
            for call, code, message in (
                (lambda: manager.acquire("x"), Code.NOT_FOUND, "Servable not found for request: Latest(x)"),
                (lambda: manager.acquire(""), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
                (lambda: manager.statuses("x"), Code.NOT_FOUND, "Could not find any versions of model x"),
                (lambda: manager.statuses("m", 9), Code.NOT_FOUND, "Could not find version 9 of model m"),
            ):
                with pytest.raises(StatusError) as error:
                    call()
                assert (error.value.code, error.value.message) == (code, message)

    asyncio.run(run())


def test_config_file_is_polled(tmp_path: Path, put_version: PutVersion) -> None:
    async def run() -> None:
        put_version(tmp_path / "a", 1)
        put_version(tmp_path / "b", 1)
        file = tmp_path / "models.config"
        file.write_text(text_format.MessageToString(config(one(tmp_path / "a", name="a"))))
        fields = {"model_config_file": str(file), "model_config_file_poll_wait_seconds": 0.05}
        async with serving(one(tmp_path / "a", name="a"), **fields) as server:
            file.write_text("model_config_list { config {")
            await asyncio.sleep(0.2)
            assert server.latest("a") == 1  # a file that cannot be read changes nothing
            file.write_text(text_format.MessageToString(config(one(tmp_path / "b", name="b"))))
            await server.until(lambda: server.latest("b") == 1)
            await server.until(lambda: server.latest("a") is None)

    asyncio.run(run())


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
