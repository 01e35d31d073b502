"""Against a server on this machine: nothing here reaches the network."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datasets.movielens import fetch

FILES = {
    "ratings.csv": b"userId,movieId\n1,2\n",
    "movies.csv": b"movieId,title\n2,Heat (1995)\n",
    "README.txt": b"x",
}
CHECKSUMS = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]
Serve = Callable[[Answer], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that gives `answer` to every GET; returns its address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/ml.zip"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def archive(files: dict[str, bytes] = FILES, prefix: str = "ml-latest-small/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(prefix + name, content)
    return buffer.getvalue()


def body(content: bytes, length: int | None = None) -> Answer:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        request.end_headers()
        request.wfile.write(content)

    return answer


def refused(destination: Path, url: str, timeout_s: float = 5.0) -> str:
    """The text of the error; nothing may be left behind."""
    with pytest.raises(fetch.FetchError) as caught:
        fetch.fetch(destination, timeout_s, url=url, checksums=CHECKSUMS)
    assert list(destination.parent.iterdir()) == []
    return str(caught.value)


def test_good_archive_lands_whole(serve: Serve, tmp_path: Path) -> None:
    destination = tmp_path / "deep" / "ml"
    path = fetch.fetch(destination, url=serve(body(archive())), checksums=CHECKSUMS)
    assert path == destination
    assert {file.name: file.read_bytes() for file in path.iterdir()} == FILES
    assert list(destination.parent.iterdir()) == [destination]


def test_present_data_is_not_downloaded_again(serve: Serve, tmp_path: Path) -> None:
    requests = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        requests.append(request.path)
        body(archive())(request)

    url = serve(answer)
    for _ in range(2):
        fetch.fetch(tmp_path / "ml", url=url, checksums=CHECKSUMS)
    assert len(requests) == 1


def test_other_data_at_the_destination_is_kept(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("mine")
    with pytest.raises(fetch.FetchError, match="is not this data"):
        fetch.fetch(tmp_path, url="http://127.0.0.1:9/", checksums=CHECKSUMS)
    assert (tmp_path / "ratings.csv").read_text() == "mine"


def test_wrong_checksum(serve: Serve, tmp_path: Path) -> None:
    altered = archive(FILES | {"ratings.csv": b"userId,movieId\n1,3\n"})
    text = refused(tmp_path / "ml", serve(body(altered)))
    assert "ratings.csv has SHA-256" in text
    assert CHECKSUMS["ratings.csv"] in text


def test_missing_file(serve: Serve, tmp_path: Path) -> None:
    text = refused(tmp_path / "ml", serve(body(archive({"ratings.csv": FILES["ratings.csv"]}))))
    assert "lacks movies.csv, README.txt" in text


def test_not_found(serve: Serve, tmp_path: Path) -> None:
    assert "404" in refused(tmp_path / "ml", serve(lambda request: request.send_error(404)))


def test_nobody_listens(serve: Serve, tmp_path: Path) -> None:
    assert "cannot be reached" in refused(tmp_path / "ml", "http://127.0.0.1:9/ml.zip")


def test_no_zip_file(serve: Serve, tmp_path: Path) -> None:
    assert "no zip file" in refused(tmp_path / "ml", serve(body(b"<html>log in first</html>")))


def test_truncated_archive(serve: Serve, tmp_path: Path) -> None:
    whole = archive()
    assert "no zip file" in refused(tmp_path / "ml", serve(body(whole[: len(whole) // 2])))


def test_connection_breaks_off(serve: Serve, tmp_path: Path) -> None:
    whole = archive()
    assert "broke off" in refused(tmp_path / "ml", serve(body(whole[:100], length=len(whole))))


def test_damaged_content(serve: Serve, tmp_path: Path) -> None:
    noise = bytes(range(256)) * 8
    damaged = bytearray(archive(FILES | {"README.txt": noise}))
    damaged[damaged.index(b"README.txt") + 20] ^= 0xFF
    assert "damaged" in refused(tmp_path / "ml", serve(body(bytes(damaged))))


@pytest.mark.parametrize("name", ["../../evil.txt", "/evil.txt", "..\\evil.txt"])
def test_path_out_of_the_archive(serve: Serve, tmp_path: Path, name: str) -> None:
    outside = archive({name: b"x", **FILES}, prefix="")
    assert "points outside" in refused(tmp_path / "ml", serve(body(outside)))


def test_too_large(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_MAX_BYTES", 1000)
    packed = archive(FILES | {"README.txt": bytes(5000)})
    assert len(packed) < 1000
    assert "unpacks to more than 1,000" in refused(tmp_path / "ml", serve(body(packed)))
    assert "is larger than 1,000" in refused(tmp_path / "ml", serve(body(bytes(5000))))


@pytest.mark.parametrize("drip", [b"", b"x"], ids=["silent", "dripping"])
def test_slow_server_costs_the_timeout_and_no_more(serve: Serve, tmp_path: Path, drip: bytes) -> None:
    done = threading.Event()

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while not done.wait(0.05):
            request.wfile.write(drip)
            request.wfile.flush()

    start = time.monotonic()
    try:
        text = refused(tmp_path / "ml", serve(answer), timeout_s=0.5)
    finally:
        done.set()
    assert "did not answer in full within 0.5 s" in text
    assert time.monotonic() - start < 2


def test_slow_name_look_up_costs_the_timeout_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def look_up(*args: object, **kwargs: object) -> list[object]:
        asked.wait(5)
        raise OSError("no such host")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.setenv("no_proxy", "*")
    start = time.monotonic()
    text = refused(tmp_path / "ml", "http://nowhere.invalid/ml.zip", timeout_s=0.3)
    asked.set()
    assert "within 0.3 s" in text
    assert time.monotonic() - start < 2


def test_licence_note_says_what_matters() -> None:
    assert "research" in fetch.LICENCE_NOTE
    assert "no commercial use" in fetch.LICENCE_NOTE
