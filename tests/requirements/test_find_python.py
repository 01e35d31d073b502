"""Set-up where Python 3.11 is missing: uv gets one, and what is said where it cannot.

uv and the script are the real ones. Stand-ins are the download (a file that uv is told of
by its own UV_PYTHON_DOWNLOADS_JSON_URL) and a newer Python, which is asked for uv alone.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "requirements" / "find_python.sh"
UV = Path(sys.executable).parent / "uv"  # requirements/install.sh puts it there
PYTHON_311 = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
MESSAGE = "error: no Python 3.11 with the venv module was found"
SAYS = "uv gets one (uv python install 3.11)"

# What of another Python the script uses: its version, and pip to get uv.
NEWER_PYTHON = f"""#!/bin/sh
[ "$1" = -m ] || exit 1  # not 3.11
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/bin" && cp "{UV}" "$2/bin/uv"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder with `bin`, the only PATH: the system's tools and no Python."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sh", "env", "dirname", "mktemp", "mkdir", "cp", "rm", "cat"):
        tool = shutil.which(name)
        assert tool, name
        (tools / name).symlink_to(tool)
    return tmp_path


def executable(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def download(folder: Path) -> str:
    """What uv would fetch, as a file: a Python 3.11 that is this one. Returns the list's address."""
    python = folder / "python"
    library = python / "lib" / "python3.11"
    library.mkdir(parents=True)
    (python / "bin").mkdir()
    executable(python / "bin" / "python3.11", f'#!/bin/sh\nexec "{PYTHON_311}" "$@"\n')
    name = f"{sysconfig._get_sysconfigdata_name()}.py"  # type: ignore[attr-defined]
    shutil.copy(Path(sysconfig.get_path("stdlib")) / name, library)  # uv looks for it
    archive = folder / "python.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(python, "python")
    shutil.rmtree(python)
    entry = {
        "name": "cpython", "arch": {"family": platform.machine(), "variant": None}, "os": "linux",
        "libc": "gnu", "major": 3, "minor": 11, "patch": 18, "prerelease": "", "variant": None,
        "url": archive.as_uri(), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(), "build": "1",
    }  # fmt: skip
    known = folder / "downloads.json"
    known.write_text(json.dumps({f"cpython-3.11.18-linux-{platform.machine()}-gnu": entry}))
    return known.as_uri()


def find(machine: Path, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command or (SCRIPT,),
        env={"PATH": str(machine / "bin"), "HOME": str(machine / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def version(found: subprocess.CompletedProcess[str]) -> str:
    assert found.returncode == 0, found.stderr
    code = "import sys; print(*sys.version_info[:2], sep='.')"
    return subprocess.run(
        [found.stdout.strip(), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_python_311_that_is_there_is_taken_without_a_word(machine: Path) -> None:
    python = machine / "bin" / "python3"
    python.symlink_to(PYTHON_311)
    found = find(machine)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{python}\n", "")


@pytest.mark.parametrize("uv_from", ["path", "pip of another Python"])
def test_uv_gets_one_where_none_is_found_and_says_so(machine: Path, uv_from: str) -> None:
    if uv_from == "path":
        (machine / "bin" / "uv").symlink_to(UV)
    else:
        executable(machine / "bin" / "python3", NEWER_PYTHON)
    address = download(machine)
    found = find(machine, UV_PYTHON_DOWNLOADS_JSON_URL=address)
    assert version(found) == "3.11"
    assert [line for line in found.stderr.splitlines() if line.startswith("set-up: ")] == [
        f"set-up: no Python 3.11 with the venv module here; {SAYS}"
    ]
    installed = list((machine / "home").glob(".local/share/uv/python/*/bin/python3.11"))
    assert installed, "uv unpacked the download"
    assert not (machine / "home" / ".local" / "bin").exists(), "nothing is put on the caller's PATH"

    (machine / "python.tar.gz").unlink()
    assert version(find(machine, UV_PYTHON_DOWNLOADS_JSON_URL=address)) == "3.11", (
        "the second time from there"
    )


@pytest.mark.parametrize(
    "offline", [{"UV_OFFLINE": "1"}, {"UV_PYTHON_INSTALL_MIRROR": "file:///no/such/mirror"}]
)
def test_offline_ends_with_what_to_install(machine: Path, offline: dict[str, str]) -> None:
    executable(machine / "bin" / "python3", NEWER_PYTHON)
    found = find(machine, **offline)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.index(SAYS) < found.stderr.index(MESSAGE)
    assert "apt-get install python3.11-venv" in found.stderr


def test_without_any_python_and_uv_nothing_is_tried(machine: Path) -> None:
    found = find(machine)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(MESSAGE)


def test_set_up_ends_there_and_leaves_no_environment(machine: Path) -> None:
    """requirements/install.sh itself, in a copy of its folder."""
    for name in ("uname", "sha256sum", "cut", "grep", "getconf", "sort", "head"):
        tool = shutil.which(name)
        assert tool, name
        (machine / "bin" / name).symlink_to(tool)
    shutil.copytree(REPOSITORY / "requirements", machine / "clone" / "requirements")
    shutil.copy(REPOSITORY / "pyproject.toml", machine / "clone")
    found = find(machine, machine / "clone" / "requirements" / "install.sh", "server")
    assert found.returncode == 2, found.stderr
    assert MESSAGE in found.stderr
    assert not (machine / "clone" / ".venv").exists()
