"""Files that are not those that were pushed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import contract
from components.pusher import versions as pushed_versions
from components.pusher.publish import publish
from serving.model_server.observe.metrics import Metrics
from serving.model_server.process import options
from serving.model_server.versions import pushed_hashes
from serving.model_server.versions.loading import ModelLoader
from serving.model_server.versions.servables import Manager
from serving.protocol.errors import Code, StatusError


@pytest.fixture
def served(tmp_path: Path, half_plus: Path) -> Path:
    publish({model: str(half_plus) for model in contract.MODELS}, str(tmp_path / "served"), {}, now=7)
    return tmp_path / "served"


def test_what_was_pushed_is_loaded_of_either_model(served: Path) -> None:
    pushed_versions.pin(str(served), 7)
    load = ModelLoader(options.parse(["--model_base_path=/x", "--require_pushed_hashes"], {}), Metrics())
    for model in contract.MODELS:
        load(str(served / model / "7")).close()


def test_the_first_model_may_lie_under_any_name(served: Path, tmp_path: Path) -> None:
    """As KServe mounts it."""
    shutil.copytree(served / contract.MODEL, tmp_path / "mnt" / "models")
    pushed_hashes.check(str(tmp_path / "mnt" / "models" / "7"))


def another(folder: Path) -> None:
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")


def one_more(folder: Path) -> None:
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / "more").touch()


def one_less(folder: Path) -> None:
    (folder / "variables" / "variables.index").unlink()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (another, "saved_model.pb has the SHA-256"),
        (one_more, "more is not among the files in PUSHED.json"),
        (one_less, "variables.index is missing"),
    ],
)
@pytest.mark.parametrize("model", contract.MODELS)
def test_what_was_changed_is_not_loaded(
    served: Path, model: str, change: Callable[[Path], None], text: str
) -> None:
    change(served / model / "7")
    with pytest.raises(StatusError, match=text) as refused:
        pushed_hashes.check(str(served / model / "7"))
    assert refused.value.code is Code.FAILED_PRECONDITION


def test_without_a_record_nothing_is_loaded(
    served: Path, monkeypatch: pytest.MonkeyPatch, half_plus: Path
) -> None:
    monkeypatch.setattr(pushed_hashes, "_RECORD_COMES_WITHIN_S", 0.1)
    (served / contract.MODEL / "7" / contract.PUSHED).rename(served / "record")
    parsed = options.parse(["--model_base_path=/x", "--require_pushed_hashes"], {})

    async def load(path: Path) -> None:
        manager = Manager(ModelLoader(parsed, Metrics()), Metrics())
        await manager.load("m", 7, str(path))

    with pytest.raises(StatusError, match=r"there is no PUSHED\.json that says which files were pushed"):
        asyncio.run(load(served / contract.MODEL_EXACT / "7"))
    (served / contract.MODEL / "7" / contract.PUSHED).write_text("{}")
    with pytest.raises(StatusError, match="has no sums of marquee-exact"):
        pushed_hashes.check(str(served / contract.MODEL_EXACT / "7"))


def test_the_record_may_come_after_the_second_model(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is published with the first one, a moment later."""
    record = served / contract.MODEL / "7" / contract.PUSHED
    text = record.read_text()
    record.unlink()
    monkeypatch.setattr(pushed_hashes.time, "sleep", lambda seconds: record.write_text(text))
    pushed_hashes.check(str(served / contract.MODEL_EXACT / "7"))
