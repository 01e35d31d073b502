"""Files on a local path or an object store, behind the same few functions.

Local paths use the standard library alone, so that the command line can read a
report without importing TensorFlow (5 s). A path with a scheme (`s3://`,
`gs://` ...) goes through TFX's file systems, imported when the first one comes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import posixpath
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 20  # bytes

_log = logging.getLogger(__name__)


def is_local(path: str) -> bool:
    return "://" not in path


def join(path: str, *parts: str) -> str:
    """Joins with `/` on both kinds; `parts` are relative."""
    return posixpath.join(path, *parts)


def _fileio() -> ModuleType:
    from tfx.dsl.io import fileio

    return fileio


def exists(path: str) -> bool:
    return Path(path).exists() if is_local(path) else bool(_fileio().exists(path))


def is_folder(path: str) -> bool:
    return Path(path).is_dir() if is_local(path) else bool(_fileio().isdir(path))


def size(path: str) -> int:
    """Bytes of a file."""
    return Path(path).stat().st_size if is_local(path) else int(_fileio().stat(path).length)


def list_names(folder: str) -> list[str]:
    """Sorted names in a folder; an absent folder holds none."""
    if is_local(folder):
        try:
            return sorted(path.name for path in Path(folder).iterdir())
        except FileNotFoundError:
            return []
    fileio = _fileio()
    try:
        # Object stores mark a sub-folder by a trailing slash.
        return sorted({name.rstrip("/") for name in fileio.listdir(folder)} - {""})
    except fileio.NotFoundError:
        return []


def list_files(root: str) -> list[str]:
    """Sorted paths, relative to `root`, of every file below it."""
    walk = os.walk(root) if is_local(root) else _fileio().walk(root)
    prefix = root.rstrip("/") + "/"
    return sorted(
        join(folder, name).removeprefix(prefix) for folder, _, names in walk for name in names if name
    )


def open_binary(path: str, mode: str) -> IO[bytes]:
    """Opens for reading ("rb") or writing ("wb").

    Raises:
      FileNotFoundError: reading a file that is not there.
    """
    if is_local(path):
        local: IO[bytes] = Path(path).open(mode)  # noqa: SIM115 (the caller closes it)
        return local
    fileio = _fileio()
    if mode == "rb":
        if not exists(path):
            raise FileNotFoundError(path)
    else:
        # Folders exist on some stores (HDFS) and are markers on others.
        fileio.makedirs(posixpath.dirname(path))
    stream: IO[bytes] = fileio.open(path, mode)
    return stream


def read_text(path: str) -> str:
    with open_binary(path, "rb") as stream:
        return stream.read().decode()


def write_text(path: str, text: str) -> None:
    """Writes a whole file; on a local path readers see the old or the new one, never a part."""
    if not is_local(path):
        with open_binary(path, "wb") as stream:
            stream.write(text.encode())
        return
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(target)


@contextlib.contextmanager
def whole_file(path: str, temporary: str) -> Iterator[str]:
    """Gives a name to write under; the file takes the name `path` when the block ends.

    Readers of `path` see a whole file or none, and of two that write the same either
    may come last. An error inside the block leaves nothing.

    Args:
      temporary: a folder of the same file system or object store that nobody reads.
    """
    name = join(temporary, f"{uuid.uuid4().hex}-{posixpath.basename(path)}")
    for folder in (posixpath.dirname(path), temporary):
        make_folder(folder)
    try:
        yield name
        if is_local(path):
            Path(name).replace(path)
        else:
            _fileio().rename(name, path, overwrite=True)
    except BaseException:
        remove_file(name)
        raise


def make_folder(path: str) -> None:
    """Makes a folder and those above it; one that is there already is fine."""
    if is_local(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    else:
        _fileio().makedirs(path)


def copy_file(source: str, target: str) -> str:
    """Copies between any two kinds and returns the SHA-256 of the content, in hex.

    On a local path the content has reached the disk when this returns.
    """
    digest = hashlib.sha256()
    if is_local(target):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    with open_binary(source, "rb") as reader, open_binary(target, "wb") as writer:
        # An object store makes a file at the first write, not at the opening.
        writer.write(b"")
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        if is_local(target):
            os.fsync(writer.fileno())
    return digest.hexdigest()


def link_tree(source: str, target: str) -> None:
    """Copies a folder; on one file system by hard links, which take no space.

    A link keeps the content when the source is deleted. For folders whose files
    nobody writes into again, such as models.
    """
    for name in list_files(source):
        from_path, to_path = join(source, name), join(target, name)
        if is_local(source) and is_local(target):
            Path(to_path).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(from_path, to_path)
                continue
            except OSError as error:
                _log.debug("No hard link (%s): copying.", error)
        copy_file(from_path, to_path)


def write_parquet(path: str, table: pa.Table, compression: str = "snappy") -> None:
    """Writes a table as one Parquet file."""
    import pyarrow.parquet as pq  # here: most readers of files need no Arrow

    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression=compression)
    with open_binary(path, "wb") as stream:
        stream.write(buffer.getvalue())


def read_parquet(path: str) -> pa.Table:
    """Reads what `write_parquet` wrote.

    Raises:
      FileNotFoundError: there is no such file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_binary(path, "rb") as stream:
        return pq.read_table(pa.BufferReader(stream.read()))


@contextlib.contextmanager
def on_this_machine(folder: str) -> Iterator[str]:
    """The folder, of an object store a copy that goes afterwards: for readers that open local files alone."""
    if is_local(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="marquee-copy-") as copy:
        link_tree(folder, copy)
        yield copy


def remove_file(path: str) -> None:
    """Removes a file; one that is gone already is fine."""
    if is_local(path):
        Path(path).unlink(missing_ok=True)
        return
    fileio = _fileio()
    try:
        fileio.remove(path)
    except fileio.NotFoundError:
        return


def remove_tree(path: str, strict: bool = False) -> None:
    """Removes a folder and what is in it; one that is gone already is fine.

    Args:
      strict: whether what cannot be removed is an error; else it stays.

    Raises:
      OSError: if strict.
    """
    if is_local(path):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path, ignore_errors=not strict)
        return
    fileio = _fileio()
    try:
        fileio.rmtree(path)
    except fileio.NotFoundError:
        return


def create_exclusive(path: str) -> bool:
    """Creates an empty local file; False if it is there already. Of many callers one gets True."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def rename_folder(source: str, target: str) -> None:
    """Renames a local folder in one step that survives a power cut.

    Raises:
      OSError: `target` is a folder that is not empty.
    """
    Path(source).rename(target)
    sync_folder(str(Path(target).parent))


def sync_folder(path: str) -> None:
    """Makes the names in a local folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def touch(path: str) -> None:
    """Sets a file's time to now.

    Raises:
      FileNotFoundError: there is no such file.
    """
    if is_local(path):
        os.utime(path)
        return
    write_text(path, read_text(path))


def seconds_since_change(path: str, now: float) -> float:
    """Age of a file at Unix time `now`; 0 if it is gone or its store keeps no times."""
    if is_local(path):
        try:
            return now - Path(path).stat().st_mtime
        except FileNotFoundError:
            return 0.0
    fileio = _fileio()
    try:
        changed: float = fileio.stat(path).mtime_nsec / 1e9
    except fileio.NotFoundError:
        return 0.0
    return now - changed if changed else 0.0
