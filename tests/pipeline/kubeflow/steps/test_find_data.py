"""The step that looks the data up when a run starts."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from components.example_gen.fingerprint import fingerprint
from components.example_gen.params import ExampleGenParams
from pipeline.errors import InputError
from pipeline.kubeflow.steps import find_data

PARAMS = ExampleGenParams()
TODAY = datetime.date(2026, 11, 22)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1\n")
    (folder / "movies.csv").write_text("movieId,title,genres\n1,A (1999),Drama\n")
    return folder


@pytest.mark.parametrize(
    ("data", "date", "folder"),
    [
        ("/d/{date}/x", "2026-01-31", "/d/2026-01-31/x"),
        ("/d/{date}", "", "/d/2026-11-22"),
        ("/d", "2026-01-31", "/d"),
    ],
)
def test_the_date_is_put_into_the_folder(data: str, date: str, folder: str) -> None:
    assert find_data.resolve(data, date, TODAY) == folder


@pytest.mark.parametrize("date", ["31.1.2026", "2026-02-30", "20260131", "[[ScheduledTime.2006-01-02]]"])
def test_what_is_no_date_is_named(date: str) -> None:
    with pytest.raises(InputError, match=r"date = .*: expected YYYY-MM-DD, or nothing"):
        find_data.resolve("/d/{date}", date, TODAY)


def call(tmp_path: Path, *args: str) -> tuple[int, str, str]:
    files = tmp_path / "out" / "data_path", tmp_path / "out" / "fingerprint"
    code = find_data.main(
        [
            *args,
            f"--params={PARAMS.to_json()}",
            f"--data_path_file={files[0]}",
            f"--fingerprint_file={files[1]}",
        ]
    )
    return code, *(file.read_text() if file.exists() else "" for file in files)


def test_it_puts_out_the_folder_and_the_fingerprint(tmp_path: Path, data: Path) -> None:
    expected = fingerprint(data, PARAMS)
    assert call(tmp_path, f"--data={data}", "--date=", "--fingerprint=") == (0, str(data), expected)
    assert call(tmp_path, f"--data={data}", f"--fingerprint={expected}") == (0, str(data), expected)


def test_other_files_than_the_run_asks_for_are_refused(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = fingerprint(data, PARAMS)
    (data / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,3.5,1\n")
    assert call(tmp_path, f"--data={data}", f"--fingerprint={wanted}") == (2, "", "")
    assert f"not {wanted} as the run asks for" in capsys.readouterr().err


def test_a_folder_without_ratings_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, f"--data={tmp_path}/nowhere") == (2, "", "")
    assert f"{tmp_path}/nowhere is not a file or folder" in capsys.readouterr().err
    assert call(tmp_path, f"--data={tmp_path}")[0] == 2
    assert f"data = {tmp_path}: " in capsys.readouterr().err
