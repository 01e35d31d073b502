"""`marquee leaderboard` as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from support.workspace import marquee

from datasets.generated import movielens_sample
from leaderboard import protocols
from pipeline.cli import main
from pipeline.commands import leaderboard

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("board")
    movielens_sample.generate(path / "data", users=60, items=200, ratings=2_000, seed=5)
    return path


def test_the_protocols_are_the_components() -> None:
    assert leaderboard.PROTOCOLS == protocols.NAMES


def test_a_table_a_document_and_a_drawing(folder) -> None:
    command = ("leaderboard", "--data", "data", "--models", "popularity,ease", "--trials", "2", "--json")
    done = marquee(*command, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "0"}, real=True)
    assert done.code == 0, done.err
    document = done.json()
    assert list(document["models"]) == ["popularity", "ease"]
    # Nothing that a library logs while it loads stands before the first line.
    assert done.err.startswith("user-time: 60 users"), done.err
    assert "[2/2] ease  trial 2/2  eval recall@20" in done.err
    out = folder / "artifacts" / "leaderboard" / "user-time"
    assert json.loads((out / "report.json").read_text()) == document
    assert "confirmatory users" in (out / "report.txt").read_text()
    assert (out / "report.svg").read_text().startswith("<svg")
    table = pd.read_csv(out / "report.csv")
    means = table[table["users"] == "all"].groupby(["model", "metric"])["value"].mean()
    for model, found in document["models"].items():
        assert means[model].to_dict() == pytest.approx({name: v["mean"] for name, v in found["all"].items()})
    again = marquee(*command, cwd=folder)
    assert again.json() == document
    assert "fits were remembered" in again.err


def test_leave_last_out_of_a_plain_file(folder) -> None:
    rows = sorted(
        (line.split(",") for line in (folder / "data" / "ratings.csv").read_text().splitlines()[1:]),
        key=lambda row: int(row[3]),
    )
    (folder / "events.txt").write_text("".join(f"{user} {item}\n" for user, item, _, _ in rows))
    done = marquee(
        "leaderboard", "--protocol", "leave-last-out", "--data", "events.txt",
        "--models", "popularity,item_knn", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "60 users" in done.out
    assert "item_knn" in done.out


@pytest.mark.parametrize(
    ("name", "events", "items", "large"),
    [
        ("leave-last-out", 1_000_000, 3_416, True),
        ("leave-last-out", 65_000, 1_286, True),
        ("leave-last-out", 40_000, 700, False),
        ("leave-last-out", 100_000, 9_700, False),
        ("leave-last-out", 1_000_000, 40_000, False),
        ("user-time", 1_000_000, 3_416, False),
    ],
)
def test_a_dense_log_has_a_preset_of_its_own(name, events, items, large) -> None:
    split = SimpleNamespace(train=SimpleNamespace(rows=range(events)), catalogue=SimpleNamespace(size=items))
    assert leaderboard._is_large(SimpleNamespace(name=name, final=split)) is large


def test_the_preset_of_a_large_log_is_taken_and_said(folder, monkeypatch, capfd) -> None:
    monkeypatch.setattr(leaderboard, "_LARGE_EVENTS", 100)
    monkeypatch.setattr(leaderboard, "_LARGE_EVENTS_PER_ITEM", 1)
    monkeypatch.chdir(folder)
    lines = sorted(
        (line.split(",") for line in Path("data/ratings.csv").read_text().splitlines()[1:]),
        key=lambda row: int(row[3]),
    )
    Path("large.txt").write_text("".join(f"{user} {item}\n" for user, item, _, _ in lines))
    small = ["trainer.epochs=1", "model.embedding_dim=8", "model.item_item_dim=8", "model.history_window=10"]
    sets = [part for pair in small for part in ("--set", pair)]
    command = ["leaderboard", "--protocol", "leave-last-out", "--data", "large.txt", "--models", "two_tower"]
    assert main([*command, *sets, "--json"]) == 0
    shown = capfd.readouterr()
    assert "two_tower: the preset large, for a log of this size" in shown.err
    assert "the models' defaults, seeds 1" in shown.err
    sections = json.loads(shown.out)["given"]["two_tower"]
    assert sections["model"]["query_encoder"] == "transformer"
    assert sections["model"]["embedding_dim"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "ease,best"], "there is no model 'best'; the models are popularity"),
        (["--protocol", "random", "--models", "ease"], "ease predicts no ratings, which random measures"),
        (["--data", "nowhere"], "not a file or folder"),
        (["--models", "ease", "--trials", "0"], "at least one trial and one seed"),
        (
            ["--set", "model.kind=ease", "--models", "ease,two_tower"],
            "two_tower stands for the pipeline's model, of kind ease here, and what is tuned of it is the "
            "towers'; expected --trials 1",
        ),
        (["--models", "ease", "--tune-on", "clicks"], "tune_on is 'clicks', expected one of recall@10"),
    ],
)
def test_what_cannot_be_run_is_said(folder, arguments, message) -> None:
    data = [] if "--data" in arguments else ["--data", "data"]
    done = marquee("leaderboard", *data, *arguments, cwd=folder)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
