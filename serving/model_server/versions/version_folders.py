"""Which version folders lie under a base path, by TensorFlow Serving's rules. No TensorFlow here."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorflow_serving.config import file_system_storage_path_source_pb2

import contract

Policy = file_system_storage_path_source_pb2.FileSystemStoragePathSourceConfig.ServableVersionPolicy

# Any of them makes a folder a SavedModel; publishers write it last.
_SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")
# What a load reads beside them.
_READ = ("variables", "assets", "assets.extra", "fingerprint.pb", *_SAVED_MODELS)
_MAX_VERSION = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Found:
    """Version folders under a base path.

    Attributes:
      complete: version -> path of each that holds a SavedModel.
      incomplete: the same for those that do not hold one yet.
      duplicates: folders passed over because another has the same number.
    """

    complete: Mapping[int, str]
    incomplete: Mapping[int, str]
    duplicates: tuple[str, ...] = ()


def version_number(name: str) -> int | None:
    """The version a folder's name stands for (leading zeros count for nothing), None for other names."""
    if not re.fullmatch(r"\d{1,30}", name, re.ASCII):
        return None
    number = int(name)
    return number if number <= _MAX_VERSION else None


def find(base_path: str) -> Found:
    """Looks under a base path.

    Raises:
      OSError: it does not exist or cannot be read.
    """
    try:
        return _found(base_path)
    except OSError:
        raise
    except Exception as error:
        # Object stores have errors of their own, and a path of the config may be none at all.
        raise OSError(f"{type(error).__name__}: {error}") from error


def _found(base_path: str) -> Found:
    listing, is_complete = _file_system(base_path)
    by_version: dict[int, str] = {}
    duplicates = []
    # Of several names for one number the last in alphabetical order counts, as in TensorFlow Serving.
    for name in sorted(listing):
        number = version_number(name)
        if number is None:
            continue
        if number in by_version:
            duplicates.append(by_version[number])
        by_version[number] = f"{base_path.rstrip('/')}/{name}"
    complete = {number: path for number, path in by_version.items() if is_complete(path)}
    incomplete = {number: path for number, path in by_version.items() if number not in complete}
    return Found(complete, incomplete, tuple(duplicates))


def aspired(
    found: Mapping[int, str], policy: Any, failed: Sequence[int] = (), stand_in: bool = False
) -> list[int]:
    """The versions that a policy asks for, newest first.

    Args:
      found: the complete versions.
      policy: ServableVersionPolicy; unset means the latest one.
      failed: versions that do not load.
      stand_in: whether the latest ones that load stand in for failed ones,
        because otherwise nothing would answer.
    """
    newest = sorted(found, reverse=True)
    choice = policy.WhichOneof("policy_choice")
    if choice == "all":
        return newest
    if choice == "specific":
        return [version for version in newest if version in policy.specific.versions]
    count = max(1, policy.latest.num_versions) if choice == "latest" else 1
    chosen = newest[:count]
    if stand_in:
        loadable = [version for version in newest if version not in failed][:count]
        chosen = sorted({*chosen, *loadable}, reverse=True)
    return chosen


def fingerprint(path: str) -> frozenset[tuple[str, int, int]]:
    """(name, size, time of change) of every file that loading a version reads; empty if none can be seen.

    Object stores replace whole objects: there only names and sizes count.
    """
    files: set[tuple[str, int, int]] = set()
    if is_remote(path):
        files_io = _tensorflow_files()
        try:
            for folder, _, names in files_io.walk_v2(path):
                for name in names:
                    files.add((f"{folder}/{name}", files_io.stat_v2(f"{folder}/{name}").length, 0))
        except files_io.errors.OpError:
            return frozenset()
        return frozenset(files)
    for part in _READ:
        top = Path(path, part)
        for file in top.rglob("*") if os.path.isdir(top) else [top]:  # noqa: PTH112 (never raises)
            try:
                stat = file.stat()
            except OSError:
                continue
            files.add((str(file), stat.st_size, stat.st_mtime_ns))
    return frozenset(files)


def is_kept(path: str) -> bool:
    """Whether a version is safe from the pipeline's retention: pinned, or no version that it pushed."""
    if is_remote(path):
        return True  # as far as can be seen without a request to the store each time
    pushed = Path(path, contract.ASSETS_EXTRA, contract.INDEX_INFO)
    return Path(path, contract.PINNED).exists() or not pushed.exists()


def is_remote(path: str) -> bool:
    return "://" in path


def _file_system(base_path: str) -> tuple[list[str], Callable[[str], bool]]:
    """Names under a path, and how to tell a version that is complete."""
    if not is_remote(base_path):
        return os.listdir(base_path), _is_complete  # noqa: PTH208
    files_io = _tensorflow_files()
    # Object stores list "12/" for a folder.
    names = [name.rstrip("/") for name in files_io.list_directory_v2(base_path)]
    return names, lambda path: any(files_io.file_exists_v2(f"{path}/{name}") for name in _SAVED_MODELS)


def _is_complete(path: str) -> bool:
    try:
        return any(Path(path, name).is_file() for name in _SAVED_MODELS)
    except PermissionError:
        return False  # one folder that is not ours to read must not hide the others


def _tensorflow_files() -> Any:
    """TensorFlow's file systems, imported for object stores alone."""
    from serving.model_server.process import lean_tensorflow

    lean_tensorflow.install()
    from tensorflow.python.lib.io import file_io

    return file_io
