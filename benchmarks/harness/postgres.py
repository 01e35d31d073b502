"""A PostgreSQL server of one's own, for tests and benchmarks: Debian's, or whichever is installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.ports import free_port


def find() -> Path | None:
    """The folder of PostgreSQL's programs; None where it is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextlib.contextmanager
def running(programs: Path) -> Iterator[str]:
    """Yields the URL of an empty database; the server ends with the block."""
    # PostgreSQL refuses to run as root; the folder must be its user's.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="marquee-postgres-") as folder:
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data, log, port = f"{folder}/data", f"{folder}/log.txt", free_port()

        def run(program: str, *arguments: str) -> None:
            command = (str(programs / program), *arguments)
            # Into a file: a pipe would be inherited by the server, and stay open.
            with Path(folder, "out.txt").open("w+") as out:
                done = subprocess.run(command, user=user, cwd="/", stdout=out, stderr=out, check=False)
                assert done.returncode == 0, Path(folder, "out.txt").read_text()

        run("initdb", "-D", data, "-U", "marquee", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
        try:
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "marquee", "app")
            yield f"postgresql://marquee@127.0.0.1:{port}/app"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
