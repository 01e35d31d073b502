"""`marquee data check` and `fetch` from the command line."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from datasets.generated import movielens_sample
from datasets.movielens import editions
from datasets.movielens.editions import Edition
from pipeline import cli
from pipeline.commands import data


@pytest.fixture
def small(tmp_path: Path) -> Path:
    movielens_sample.generate(tmp_path / "sample", users=30, items=60, ratings=900)
    return tmp_path / "sample"


def test_check_reports_and_says_by_its_exit_code_what_a_run_would_do(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "check", str(small)]) == 0
    out = capsys.readouterr().out
    assert "ratings: 900 rows = 900 used + 0 set aside" in out
    assert "a run would go on with" in out
    item = (small / "movies.csv").read_text().splitlines()[1].split(",")[0]
    with (small / "ratings.csv").open("a") as file:
        file.write("".join(f"{user},{item},77,1\n" for user in (1, 2, 3)))
    bad = small / "bad.jsonl"
    assert cli.main(["data", "check", str(small), "--json", "--bad-rows", str(bad)]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["stops"][0].startswith("3 of 903 rows of ratings are bad (3 rating out of scale)")
    assert len(bad.read_text().splitlines()) == 3
    assert cli.main(["data", "check", str(small), "--set", "example_gen.max_bad_share=0.01"]) == 0


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is not a file or folder; expected a folder with ratings.csv and movies.csv"),
        ({"ratings.csv": "userId,movieId\n"}, "movies.csv: not found in"),
        ({"ratings.csv": "who,sku\n1,2\n"}, "question  which column is the user? None of who, sku looks"),
        ({"log.csv": "a,b\n1,2\n"}, "question  which column is the user? None of a, b looks like one"),
    ],
)
def test_check_tells_what_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], message: str
) -> None:
    for name, content in files.items():
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_text(content)
    assert cli.main(["data", "check", str(tmp_path / "data")]) == 2
    assert message in "".join(capsys.readouterr())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves an archive as the edition 1m."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ml-1m/ratings.dat", "1::2::3::4\n")
        archive.writestr("ml-1m/movies.dat", "2::Heat (1995)::Crime\n")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "ml-1m.zip").write_bytes(buffer.getvalue())
    md5 = hashlib.md5(buffer.getvalue()).hexdigest()
    edition = Edition("1m", "ml-1m.zip", ("ratings.dat", "movies.dat"), (), md5)
    monkeypatch.setitem(editions.EDITIONS, "1m", edition)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "served"), **kwargs)  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_fetch_shows_the_licence_and_leaves_data_that_check_reads(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "fetch", "1m", "--from", server]) == 0
    out, err = capsys.readouterr()
    assert "no commercial use" in err
    assert "100 %" in err
    assert out.splitlines()[0] == "data/ml-1m"
    assert (tmp_path / "data" / "ml-1m" / "ratings.dat").read_text() == "1::2::3::4\n"
    assert cli.main(["data", "fetch", "1m", "--from", server, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["edition"] == "1m"


def test_fetch_tells_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "fetch", "32m", "--from", "http://127.0.0.1:9"]) == 1
    assert "http://127.0.0.1:9/ml-32m.zip cannot be fetched" in capsys.readouterr().err
    assert not (tmp_path / "data" / "ml-32m").exists()


def test_the_names_in_the_help_are_those_there_are() -> None:
    assert tuple(editions.EDITIONS) == data.EDITIONS


LOG = "".join(f"{n % 7};{n % 11};{1 + n % 5};{1_500_000_000 + 60 * n}\n" for n in range(60))


def test_a_map_is_guessed_printed_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, saved = tmp_path / "log.txt", tmp_path / "log.yaml"
    log.write_text("customer;sku;stars;at\n" + LOG)
    assert cli.main(["data", "check", str(log), "--write", str(saved)]) == 0
    out = capsys.readouterr().out
    assert "log.txt: text with semicolons between the columns, a header, UTF-8; 60 records" in out
    assert "customer  whole numbers from 0 to 6, 7 different: 0, 1, 2" in out
    assert "columns: {user: customer, item: sku, rating: stars, time: at}" in out
    assert "a run would go on with" in out
    assert cli.main(["data", "check", str(log), "--config", str(saved)]) == 0
    assert "ratings.customer (user): 100 % filled" in capsys.readouterr().out
    assert cli.main(["data", "check", str(log), "--write", str(saved)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["data", "check", str(log), "--config", str(saved), "--write", "b.yaml"]) == 2
    assert "there is no map to save" in capsys.readouterr().err


def test_what_nobody_can_tell_is_asked_with_the_config_that_answers_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, saved = tmp_path / "log.txt", tmp_path / "log.yaml"
    log.write_text(LOG)
    assert cli.main(["data", "check", str(log), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["guess"]["values"]["columns"]["time"] == "4"
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--data", str(log)]) == 2
    error = capsys.readouterr().err
    assert error.count("question  ") == 1
    assert "columns: {user: '1', item: '2', rating: '3', time: '4'}" in error
    assert cli.main(["data", "check", str(log), "--write", str(saved)]) == 2
    capsys.readouterr()
    assert cli.main(["data", "check", str(log), "--config", str(saved)]) == 0
