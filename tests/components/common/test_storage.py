"""The same behaviour on a local path and on an object store (TensorFlow's in-memory one)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.common import storage


@pytest.fixture(params=["local", "remote"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"ram://{request.node.name}"


def test_write_read_list_remove(root: str) -> None:
    storage.write_text(storage.join(root, "a", "b", "x.txt"), "é")
    storage.write_text(storage.join(root, "a", "y.txt"), "2")
    assert storage.read_text(storage.join(root, "a", "b", "x.txt")) == "é"
    assert storage.read_text(storage.join(root, "a", "y.txt")) == "2"
    assert storage.list_names(storage.join(root, "a")) == ["b", "y.txt"]
    assert storage.list_files(storage.join(root, "a")) == ["b/x.txt", "y.txt"]
    assert storage.exists(storage.join(root, "a", "b"))
    storage.remove_file(storage.join(root, "a", "y.txt"))
    storage.remove_tree(storage.join(root, "a", "b"))
    assert storage.list_files(storage.join(root, "a")) == []


def test_what_is_not_there(root: str) -> None:
    absent = storage.join(root, "absent")
    assert storage.list_names(absent) == []
    assert not storage.exists(absent)
    storage.remove_file(absent)
    storage.remove_tree(absent)
    assert storage.seconds_since_change(absent, now=100.0) == 0
    with pytest.raises(FileNotFoundError):
        storage.read_text(absent)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1])
def test_copy_returns_the_hash_of_the_content(root: str, tmp_path: Path, size: int) -> None:
    content = b"m" * size
    (tmp_path / "source").write_bytes(content)
    target = storage.join(root, "folder", "target")
    assert storage.copy_file(str(tmp_path / "source"), target) == hashlib.sha256(content).hexdigest()
    with storage.open_binary(target, "rb") as stream:
        assert stream.read() == content


def test_writing_again_replaces(tmp_path: Path) -> None:
    for text in ("long", "s"):
        storage.write_text(str(tmp_path / "x"), text)
    assert storage.read_text(str(tmp_path / "x")) == "s"
    assert storage.list_names(str(tmp_path)) == ["x"]


def test_only_one_creates(tmp_path: Path) -> None:
    assert storage.create_exclusive(str(tmp_path / "claims" / "1"))
    assert not storage.create_exclusive(str(tmp_path / "claims" / "1"))


def test_touch(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    storage.touch(str(path))
    assert storage.seconds_since_change(str(path), path.stat().st_mtime + 5) == pytest.approx(5)
    with pytest.raises(FileNotFoundError):
        storage.touch(str(tmp_path / "absent"))


def test_a_folder_is_never_renamed_onto_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with pytest.raises(OSError, match="not empty"):
        storage.rename_folder(str(tmp_path / "a"), str(tmp_path / "b"))


def test_a_file_is_whole_or_not_there(root: str) -> None:
    path, temporary = storage.join(root, "new", "x.txt"), storage.join(root, "temporary")
    with pytest.raises(KeyError), storage.whole_file(path, temporary) as name:
        storage.write_text(name, "half")
        raise KeyError
    assert not storage.exists(path)
    for text in ("one", "two"):
        with storage.whole_file(path, temporary) as name:
            storage.write_text(name, text)
            assert not storage.exists(path) or storage.read_text(path) == "one"
        assert storage.read_text(path) == text
    assert storage.list_names(temporary) == []
