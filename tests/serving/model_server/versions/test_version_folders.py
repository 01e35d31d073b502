"""Version folders under a base path, and what a policy makes of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from serving.model_server.versions import version_folders


def make(base: Path, *names: str, complete: bool = True) -> None:
    for name in names:
        (base / name / "variables").mkdir(parents=True)
        if complete:
            (base / name / "saved_model.pb").write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("0", 0),
        ("00042", 42),
        ("1795311469", 1795311469),
        (str(2**63 - 1), 2**63 - 1),
        (str(2**63), None),
        ("-1", None),
        ("1.0", None),
        ("v1", None),
        ("1-copy", None),
        ("", None),
        ("\u0661", None),  # a digit of another script
        ("tmp", None),
    ],
)
def test_version_number(name: str, number: int | None) -> None:
    assert version_folders.version_number(name) == number


def test_find(tmp_path: Path) -> None:
    make(tmp_path, "1", "0002", "notes")
    make(tmp_path, "3", complete=False)
    (tmp_path / "4").write_text("a file")
    found = version_folders.find(str(tmp_path))
    assert found.complete == {1: f"{tmp_path}/1", 2: f"{tmp_path}/0002"}
    assert found.incomplete == {3: f"{tmp_path}/3", 4: f"{tmp_path}/4"}


def test_of_two_names_of_a_number_the_last_counts(tmp_path: Path) -> None:
    make(tmp_path, "001", "1")
    found = version_folders.find(str(tmp_path))
    assert found.complete == {1: f"{tmp_path}/1"}
    assert found.duplicates == (f"{tmp_path}/001",)


def test_a_missing_base_path_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        version_folders.find(str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("path", "text"), [("/no\0path", "embedded null byte"), ("nosuch://bucket/models", "NotFoundError")]
)
def test_whatever_is_wrong_with_a_base_path_is_an_os_error(path: str, text: str) -> None:
    with pytest.raises(OSError, match=text):
        version_folders.find(path)


def test_a_version_that_may_not_be_read_hides_no_other() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        make(base, "1", "2")
        (base / "2").chmod(0)
        if os.getuid() == 0:
            os.seteuid(65534)  # permissions do not apply to root
        try:
            found = version_folders.find(folder)
            assert version_folders.fingerprint(f"{folder}/2") == frozenset()
        finally:
            os.seteuid(os.getuid())
            (base / "2").chmod(0o755)
    assert (list(found.complete), list(found.incomplete)) == ([1], [2])


def policy(**choice: Any) -> Any:
    made = version_folders.Policy()
    if "latest" in choice:
        made.latest.num_versions = choice["latest"]
    if "all" in choice:
        made.all.SetInParent()
    if "specific" in choice:
        made.specific.versions.extend(choice["specific"])
    return made


FOUND = {number: f"/m/{number}" for number in (1, 2, 10, 9)}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (policy(), [10]),
        (policy(latest=0), [10]),
        (policy(latest=1), [10]),
        (policy(latest=2), [10, 9]),
        (policy(latest=9), [10, 9, 2, 1]),
        (policy(all=True), [10, 9, 2, 1]),
        (policy(specific=[1, 9, 77]), [9, 1]),
    ],
)
def test_aspired(asked: Any, expected: list[int]) -> None:
    assert version_folders.aspired(FOUND, asked) == expected


def test_older_ones_stand_in_for_what_does_not_load() -> None:
    assert version_folders.aspired(FOUND, policy(), failed=[10, 9], stand_in=True) == [10, 2]
    assert version_folders.aspired(FOUND, policy(latest=2), failed=[10], stand_in=True) == [10, 9, 2]
    assert version_folders.aspired(FOUND, policy(specific=[10]), failed=[10], stand_in=True) == [10]


def test_fingerprint_sees_what_a_load_reads(tmp_path: Path) -> None:
    make(tmp_path, "1")
    path = tmp_path / "1"
    before = version_folders.fingerprint(str(path))
    (path / "PUSHED.json").write_text("{}")
    assert version_folders.fingerprint(str(path)) == before
    (path / "variables" / "variables.index").write_bytes(b"1")
    after = version_folders.fingerprint(str(path))
    assert after != before
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"")
    assert version_folders.fingerprint(str(path)) != after
    assert version_folders.fingerprint(str(tmp_path / "gone")) == frozenset()
