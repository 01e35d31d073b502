"""The executor: who may be pushed, and what the output says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.artifacts import artifact
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

import contract
from components.evaluator import report
from components.evaluator.gates import Gate
from components.evaluator.report import ModelMetrics, Report
from components.pusher import versions
from components.pusher.component import Pusher
from components.pusher.executor import Executor
from components.pusher.params import PusherParams

Sources = Callable[..., dict[str, str]]
INFO = {"items": 60, "dimension": 8, "known_users": 9, "search": {"kind": "exact"},
        "features": {"feedback": "explicit", "item": [{"name": "genres"}], "user": []}}  # fmt: skip
GATES = [Gate("recall@10 floor", 0.1, 0.02, True, "at least the floor")]


def run(
    tmp_path: Path, sources: dict[str, str], blessed: int | None, served_ok: int | None, keep: int = 5
) -> tuple[Any, str]:
    """Runs the executor; returns the output artifact and the destination."""
    served = str(tmp_path / "served")
    properties = [{} if value is None else {"blessed": value} for value in (blessed, served_ok)]
    inputs = {
        "model": artifact(standard_artifacts.Model, Path(sources[contract.MODEL]).parent),
        "model_exact": artifact(standard_artifacts.Model, Path(sources[contract.MODEL_EXACT]).parent),
        "blessing": artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing", **properties[0]),
        "infra_blessing": artifact(standard_artifacts.InfraBlessing, tmp_path / "infra", **properties[1]),
        "evaluation": artifact(standard_artifacts.ModelEvaluation, tmp_path / "evaluation"),
    }
    if contract.MODEL_TESTED in sources:
        tested = Path(sources[contract.MODEL_TESTED]).parent
        inputs["tested_model"] = artifact(standard_artifacts.Model, tested)
    # What the card reads of the index.
    Path(sources[contract.MODEL], contract.ASSETS_EXTRA, contract.INDEX_INFO).write_text(json.dumps(INFO))
    report.write_metrics(inputs["evaluation"].uri, Report(ModelMetrics({"mrr": 0.25}, {})))
    report.write_gates(inputs["blessing"].uri, GATES)
    component = Pusher(
        **{name: Channel(type=type(each)) for name, each in inputs.items()},
        destination=served,
        params=PusherParams(keep_versions=keep, data_licence="CC0"),
        about=json.dumps({"name": "toy", "kind": "two_tower", "split": "user_time"}),
    )
    pushed = artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    Executor(base_executor.BaseExecutor.Context(pipeline_run_id="run-7")).Do(
        {name: [each] for name, each in inputs.items()},
        {"pushed_model": [pushed]},
        {**component.exec_properties, contract.CODE_HASH: "ignored"},
    )
    return pushed, served


@pytest.mark.parametrize(
    ("blessed", "served_ok", "refused_by"),
    [
        (0, 1, "blessing"),
        (1, 0, "infra_blessing"),
        (0, 0, "blessing, infra_blessing"),
        (None, 1, "blessing"),  # an evaluator that never judged
        (1, None, "infra_blessing"),
    ],
)
def test_a_refused_model_is_not_pushed(
    make_sources: Sources, tmp_path: Path, blessed: int | None, served_ok: int | None, refused_by: str
) -> None:
    pushed, served = run(tmp_path, make_sources("a"), blessed, served_ok)
    assert not Path(served).exists()
    assert pushed.get_int_custom_property("pushed") == 0
    assert pushed.get_string_custom_property("refused_by") == refused_by
    assert not pushed.has_custom_property("pushed_version")


def test_an_accepted_model_is_pushed_with_its_record(make_sources: Sources, tmp_path: Path) -> None:
    pushed, served = run(tmp_path, make_sources("a"), 1, 1)
    version = versions.latest(served)
    assert version is not None
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == str(version.number)
    assert pushed.get_string_custom_property("pushed_destination") == version.path
    assert version.record["run"] == "run-7"
    assert version.record[contract.FINAL_FIT] == contract.TRAIN
    assert "tested_model" not in version.record
    assert version.record["metrics"] == {"mrr": 0.25}
    assert version.record["description"] is None  # of a model that says nothing of itself
    assert [Gate(**gate) for gate in version.record["gates"]] == GATES
    assert json.loads((tmp_path / "pushed" / contract.PUSHED).read_text()) == version.record


def test_the_model_card_is_pushed_with_it(make_sources: Sources, tmp_path: Path) -> None:
    _, served = run(tmp_path, make_sources("a"), 1, 1)
    version = versions.latest(served)
    assert version is not None
    for model in contract.MODELS:
        folder = Path(versions.folder(served, model, version.number))
        names = {
            f"{contract.ASSETS_EXTRA}/{name}" for name in (contract.MODEL_CARD, contract.MODEL_CARD_JSON)
        }
        # A server that asks for pushed hashes must find them among these.
        for name in names:
            content = (folder / name).read_bytes()
            assert version.record["sha256"][model][name] == hashlib.sha256(content).hexdigest()
    card = json.loads((folder / contract.ASSETS_EXTRA / contract.MODEL_CARD_JSON).read_text())
    assert card["model_details"]["run"] == "run-7"
    assert card["training_data"] == {
        "licence": "CC0", "feedback": "explicit", "item_features": ["genres"],
        "user_features": [],
    }  # fmt: skip
    assert card["personal_data"]["histories"] == 9


def test_after_a_final_fit_the_tested_model_is_pushed_too(make_sources: Sources, tmp_path: Path) -> None:
    sources = make_sources("a", contract.MODEL_TESTED)
    _, served = run(tmp_path, sources, 1, 1)
    version = versions.latest(served)
    assert version is not None and version.path_tested is not None
    assert version.record[contract.FINAL_FIT] == contract.ALL
    assert version.record["tested_model"] == str(Path(sources[contract.MODEL_TESTED]).parent)
    for folder, model in ((version.path, contract.MODEL), (version.path_tested, contract.MODEL_TESTED)):
        assert (Path(folder) / "saved_model.pb").read_text().startswith(f"a {model} ")


def test_a_push_remembers_those_before_it(make_sources: Sources, tmp_path: Path) -> None:
    for tag in "abc":
        _, served = run(tmp_path, make_sources(tag), 1, 1, keep=2)
    second, third = (version.record for version in versions.list_versions(served))
    earlier = third[contract.EARLIER]
    # The first is remembered although retention has removed its folder.
    assert [one["version"] for one in earlier] == [second[contract.EARLIER][0]["version"], second["version"]]
    assert all(one["metrics"] == {"mrr": 0.25} and one["time"] for one in earlier)
    assert second[contract.EARLIER][0].keys() == {"version", "time", "metrics"}


def test_retention_follows_the_params(make_sources: Sources, tmp_path: Path) -> None:
    for tag in "abc":
        _, served = run(tmp_path, make_sources(tag), 1, 1, keep=2)
    assert len(versions.list_versions(served)) == 2
    assert len(versions.numbers(served, contract.MODEL_EXACT)) == 2
