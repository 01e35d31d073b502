"""Which data a run reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets.movielens import fetch
from pipeline.config.sections import Config
from pipeline.errors import InputError
from pipeline.runs import data


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def no_network(*_: object) -> Path:
        raise fetch.FetchError("files.grouplens.org cannot be reached")

    monkeypatch.setattr(fetch, "fetch", no_network)


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n")
    return path


def test_what_is_given_wins_over_the_environment_and_that_over_a_local_copy(tmp_path: Path) -> None:
    given, environment, local = (folder(tmp_path / name) for name in ("given", "env", "data/ml-latest-small"))
    config = Config.model_validate({"data": str(given)})
    assert data.resolve(config, {"DATA": str(environment)}) == data.Data(given, "as given")
    assert data.resolve(Config(), {"DATA": str(environment)}) == data.Data(environment, "from DATA")
    assert data.resolve(Config(), {"DATA": ""}) == data.Data(local, "local copy")


def test_several_logs_are_lines(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    found = data.resolve(Config.model_validate({"data": ["first", str(second)]}), {})
    assert found.path == f"{first}\n{second}"
    assert str(found) == f"{first} and {second} (as given)"
    with pytest.raises(InputError, match="third is not a file or folder"):
        data.resolve(Config.model_validate({"data": ["first", "third"]}), {})


@pytest.mark.parametrize("name", ["data", "DATA"])
def test_a_given_path_is_never_replaced(tmp_path: Path, name: str) -> None:
    missing = str(tmp_path / "missing")
    config = Config.model_validate({"data": missing if name == "data" else None})
    with pytest.raises(InputError, match=f"{name} = {missing}: .* is not a file or folder; expected"):
        data.resolve(config, {"DATA": missing})
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(
        InputError, match=r"holds none of the files that are known; expected a folder with ratings\.csv"
    ):
        data.resolve(Config(), {"DATA": str(empty)})


def test_downloaded_if_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch", lambda destination, timeout: folder(destination))
    found = data.resolve(Config(), {})
    assert found.path == tmp_path / "data" / "ml-latest-small"
    assert found.origin.startswith("downloaded from GroupLens")
    assert data.resolve(Config(), {}).origin == "local copy"


def test_the_sample_without_network_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def generate(path: Path) -> None:
        made.append(path)
        folder(path)

    monkeypatch.setattr(data.movielens_sample, "generate", generate)
    for _ in range(2):
        found = data.resolve(Config(), {})
        assert found.path == tmp_path / "artifacts" / "sample"
        assert "generated sample, because files.grouplens.org cannot be reached" in found.origin
    assert made == [tmp_path / "artifacts" / "sample"]
