"""What a pushed version carries for an application, fetched from where it is served.

`details` answers columns for ids that the caller has; a search needs all ids and titles. So the files
of assets.extra are read whole, once per version: from the model server (GET
/v1/models/NAME/versions/N/files/FILE, an addition of ours), which needs no shared disk and cannot be of
another version than the one that answers; or from the folder of served models beside TensorFlow's own
server.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from pathlib import Path
from typing import Protocol

import aiohttp

import contract

_TIMEOUT_S = 60.0


class FilesError(Exception):
    """A file cannot be had; says which, from where and why."""


class Files(Protocol):
    async def read(self, model: str, version: int, name: str) -> bytes | None:
        """The file's bytes; None where the version has none of that name.

        Raises:
          FilesError: the place cannot be read, or has no such version.
        """
        ...

    async def close(self) -> None: ...


def open_files(place: str) -> Files:
    """Files of a model server's REST address, or of a folder that holds MODEL/VERSION."""
    if place.startswith(("http://", "https://")):
        return ServerFiles(place.rstrip("/"))
    if "://" in place:
        raise ValueError(
            f"model_files: expected http://HOST:PORT of the model server or a folder, got {place}"
        )
    return FolderFiles(Path(place))


class FolderFiles:
    def __init__(self, base: Path) -> None:
        self._base = base

    async def read(self, model: str, version: int, name: str) -> bytes | None:
        folder = self._base / model / str(version)
        path = folder / name if name == contract.PUSHED else folder / contract.ASSETS_EXTRA / name
        return await asyncio.to_thread(_read, folder, path)

    async def close(self) -> None:
        pass


def _read(folder: Path, path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if folder.is_dir():
            return None
        raise FilesError(f"there is no version folder {folder}") from None
    except OSError as error:
        raise FilesError(f"{path}: {error}") from error


class ServerFiles:
    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def read(self, model: str, version: int, name: str) -> bytes | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        url = f"{self._url}/v1/models/{urllib.parse.quote(model, safe='')}/versions/{version}/files/{name}"
        try:
            async with self._session.get(url) as response:
                body = await response.read()
                if response.status == 200:
                    return body
                # The latter of a server that is older than this application, and knows no such file.
                if response.status == 404 and (b"carries no" in body or b"is to be had" in body):
                    return None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise FilesError(f"{url}: {error or type(error).__name__}") from error
        hint = " (TensorFlow's own server has no such path: set model_files to the folder of its models)"
        raise FilesError(
            f"{url}: HTTP {response.status} {body[:200].decode(errors='replace')}"
            f"{hint if response.status in (400, 404) else ''}"
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
