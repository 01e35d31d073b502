"""What is served changes by policy, config and labels."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import text_format
from support.servers.coordinators import config, damage, one, serving

from serving.model_server.versions.servables import MOST_RELOADS, State
from serving.protocol.errors import Code, StatusError

PutVersion = Callable[..., Path]


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


def test_reloads_that_wait_for_a_missing_folder_are_bounded_and_end_when_it_is_given_up(
    tmp_path: Path, put_version: PutVersion
) -> None:
    async def run() -> None:
        put_version(tmp_path / "a", 1)
        async with serving(one(tmp_path / "a", name="a")) as server:
            both = config(one(tmp_path / "a", name="a") + one(tmp_path / "missing", name="b"))
            waiting = [asyncio.ensure_future(server.manager.reload(both)) for _ in range(MOST_RELOADS)]
            await asyncio.sleep(0)
            with pytest.raises(StatusError, match=f"{MOST_RELOADS} reloads wait") as refused:
                await server.manager.reload(both)
            assert refused.value.code is Code.RESOURCE_EXHAUSTED
            waiting[1].cancel()  # its caller left: there is room for one
            await asyncio.sleep(0)
            await server.manager.reload(config(one(tmp_path / "a", name="a")))
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(results.pop(1), asyncio.CancelledError)
            assert results == [{}] * (MOST_RELOADS - 1)
            assert server.latest("a") == 1

    asyncio.run(run())
