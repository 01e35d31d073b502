"""Against a server on this machine that can be cut off and resumed."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts
from datasets.movielens import editions
from datasets.movielens.archive import FetchError
from datasets.movielens.editions import Edition


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"ml/{name}", content)
    return buffer.getvalue()


FILES = {"ratings.dat": b"1::2::3::4\n" * 9000, "movies.dat": b"2::Heat (1995)::Crime\n", "README": b"terms"}
CONTENT = packed(FILES)
EDITION = Edition(
    "tiny",
    "ml-tiny.zip",
    ("ratings.dat", "movies.dat"),
    ("README", "tags.dat"),
    hashlib.md5(CONTENT).hexdigest(),
)


class Server:
    """Serves `content` by ranges; `cuts` bytes per connection, as long as there are any."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.cuts: list[int] = []
        self.ranges_supported = True
        self.asked: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.base = f"http://127.0.0.1:{self.http.server_port}/movielens/"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if request.path != "/movielens/ml-tiny.zip":
            request.send_error(404)
            return
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        start = 0
        if wanted and self.ranges_supported:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
            if start >= len(self.content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.content)}")
                request.end_headers()
                return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(self.content) - start))
        request.end_headers()
        body = self.content[start:]
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server(CONTENT)
    yield made
    made.http.shutdown()
    made.http.server_close()


def get(server: Server, destination: Path, edition: Edition = EDITION) -> list[tuple[int, int | None]]:
    reports: list[tuple[int, int | None]] = []
    editions.fetch_edition(edition, destination, lambda *at: reports.append(at), server.base, timeout_s=5)
    return reports


def test_the_folder_holds_what_is_wanted_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    reports = get(server, tmp_path / "ml")
    assert {file.name: file.read_bytes() for file in (tmp_path / "ml").iterdir()} == FILES
    assert list(tmp_path.iterdir()) == [tmp_path / "ml"]
    assert reports[0] == (0, len(CONTENT))
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert layouts.detect(tmp_path / "ml", ExampleGenParams()).layout == "movielens-dat"
    get(server, tmp_path / "ml")
    assert server.asked == [None]


def test_a_download_that_breaks_off_goes_on_by_itself(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000, 2000]
    reports = get(server, tmp_path / "ml")
    assert server.asked == [None, "bytes=1000-", "bytes=3000-"]
    assert (tmp_path / "ml" / "ratings.dat").read_bytes() == FILES["ratings.dat"]
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_a_second_call_goes_on_where_the_first_ended(server: Server, tmp_path: Path) -> None:
    server.cuts = [1000, 0]
    with pytest.raises(
        FetchError, match=r"broke off; 1,000 bytes are kept, and the same command goes on from there"
    ):
        get(server, tmp_path / "ml")
    assert not (tmp_path / "ml").exists()
    get(server, tmp_path / "ml")
    assert server.asked[-1] == "bytes=1000-"
    assert (tmp_path / "ml" / "movies.dat").exists()


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges_supported = [1000], False
    get(server, tmp_path / "ml")
    assert (tmp_path / "ml" / "ratings.dat").read_bytes() == FILES["ratings.dat"]


def test_a_whole_download_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".ml.ml-tiny.zip.part").write_bytes(CONTENT)
    get(server, tmp_path / "ml")
    assert server.asked == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("kept", [b"", b"something else"])
def test_another_content_is_refused_and_not_kept(server: Server, tmp_path: Path, kept: bytes) -> None:
    if kept:
        (tmp_path / ".ml.ml-tiny.zip.part").write_bytes(kept)
    else:
        server.content = packed({**FILES, "ratings.dat": b"1::2::3::5\n"})
    with pytest.raises(FetchError, match=rf"ml-tiny\.zip has MD5 [0-9a-f]{{32}}, expected {EDITION.md5}"):
        get(server, tmp_path / "ml")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.content = packed({"ratings.dat": b"x"})
    edition = Edition("tiny", "ml-tiny.zip", EDITION.required, ())
    with pytest.raises(FetchError, match=r"lacks movies\.dat"):
        get(server, tmp_path / "ml", edition)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_had_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"other\.zip cannot be fetched: HTTP status 404"):
        get(server, tmp_path / "ml", Edition("other", "other.zip", (), ()))
    with pytest.raises(FetchError, match=r"cannot be fetched: .*refused"):
        editions.fetch_edition(EDITION, tmp_path / "ml", lambda *at: None, "http://127.0.0.1:9/", timeout_s=5)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(FetchError, match="exists and is not this data"):
        get(server, tmp_path / "mine")


def test_every_edition_can_be_told_apart_and_read(tmp_path: Path) -> None:
    assert list(editions.EDITIONS) == ["latest-small", "100k", "1m", "10m", "20m", "25m", "32m"]
    for edition in editions.EDITIONS.values():
        assert re.fullmatch(r"[0-9a-f]{32}", edition.md5) or edition.checksums.keys() >= set(edition.required)
        assert "no commercial use" in edition.licence
        path = tmp_path / edition.name
        path.mkdir()
        for name in edition.required:
            (path / name).write_text("movieId")
        read = layouts.detect(path, ExampleGenParams()).files
        assert {file.name for file in read} <= {*edition.required, *edition.optional}
