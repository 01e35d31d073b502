"""The graph: who reads whom, and which knob reruns which component."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tfx.orchestration.pipeline import Pipeline

import contract
from components.pusher.versions import Version
from pipeline.config.reader import load
from pipeline.dag import Launch, create_pipeline, create_refresh
from pipeline.errors import ConfigError, InputError

# Each component with those whose outputs it reads, or whose verdict it waits for.
UPSTREAM = {
    "example_gen": set(),
    "statistics_timelines": {"example_gen"},
    "statistics_items": {"example_gen"},
    "schema_timelines": {"example_gen"},
    "schema_items": {"example_gen"},
    "validate_timelines": {"statistics_timelines", "schema_timelines"},
    "validate_items": {"statistics_items", "schema_items"},
    "data_check": {"validate_timelines", "validate_items"},
    "transform": {"example_gen", "schema_items", "data_check"},
    "trainer": {"example_gen", "transform", "data_check"},
    "index": {"trainer", "example_gen"},
    "baseline": {"index"},
    "evaluator": {"example_gen", "index", "baseline"},
    "serving_check": {"example_gen", "index", "baseline", "evaluator"},
    "pusher": {"index", "evaluator", "serving_check"},
}
# The same with `final_fit: all`: what comes in between, and what reads it.
UPSTREAM_FINAL = {
    **UPSTREAM,
    "all_events": {"example_gen", "evaluator"},
    "final_trainer": {"all_events", "transform", "trainer", "evaluator"},
    "final_index": {"final_trainer", "all_events"},
    "final_evaluator": {"example_gen", "final_index", "index"},
    "serving_check": {"example_gen", "final_index", "baseline", "final_evaluator"},
    "pusher": {"final_index", "index", "evaluator", "serving_check"},
}


_TO_CHECK = {name: up for name, up in UPSTREAM.items() if name not in ("transform", "trainer")}
UPSTREAM_REFRESH = {
    **_TO_CHECK,
    "catalogue_check": {"example_gen", "data_check"},
    "pushed_towers": {"catalogue_check"},
    "index": {"pushed_towers", "example_gen"},
}
UPSTREAM_FINAL_REFRESH = {
    **UPSTREAM_FINAL,
    **UPSTREAM_REFRESH,
    **{name: UPSTREAM_FINAL[name] for name in ("all_events", "final_evaluator", "serving_check", "pusher")},
    "final_pushed_towers": {"all_events"},
    "final_index": {"final_pushed_towers", "all_events"},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,1\n")
    return tmp_path / "data"


def graph(data: Path, *overrides: str) -> Pipeline:
    return create_pipeline(load(None, [f"data={data}", f"artifacts={data.parent / 'artifacts'}", *overrides]))


def properties(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    return {node.id: {k: str(v) for k, v in node.exec_properties.items()} for node in pipeline.components}


def changed(data: Path, *overrides: str) -> set[str]:
    before, after = properties(graph(data)), properties(graph(data, *overrides))
    return {node for node in before if before[node] != after[node]}


def test_who_waits_for_whom(data: Path) -> None:
    found = {node.id: {up.id for up in node.upstream_nodes} for node in graph(data).components}
    assert found == UPSTREAM


def test_who_waits_for_whom_with_a_final_fit(data: Path) -> None:
    found = {
        node.id: {up.id for up in node.upstream_nodes} for node in graph(data, "final_fit=all").components
    }
    assert found == UPSTREAM_FINAL


def refreshed(data: Path, number: int = 7, tested: str | None = None, **record: Any) -> Pipeline:
    config = load(None, [f"data={data}", f"artifacts={data.parent / 'artifacts'}"])
    version = Version(number, f"/served/marquee/{number}", None, tested, pinned=False, record=record)
    return create_refresh(config, version, allow_removals=False)


def test_who_waits_for_whom_in_a_refresh(data: Path) -> None:
    """Nothing is fitted; all else is the run's own, so that steps are found in its cache."""
    found = {node.id: {up.id for up in node.upstream_nodes} for node in refreshed(data).components}
    assert found == UPSTREAM_REFRESH
    whole = properties(graph(data))
    for node, values in properties(refreshed(data)).items():
        if node not in ("catalogue_check", "pushed_towers", "pusher"):
            assert values == whole[node], node


def test_a_refresh_of_a_version_fitted_on_all_events(data: Path) -> None:
    """What is measured has not seen the test split."""
    pipeline = refreshed(data, tested="/served/marquee-tested/7", final_fit="all")
    nodes = {node.id: node for node in pipeline.components}
    final = {name: up for name, up in UPSTREAM_FINAL_REFRESH.items() if name in nodes}
    assert {name: {up.id for up in node.upstream_nodes} for name, node in nodes.items()} == final
    assert not set(nodes) & {"trainer", "final_trainer", "transform"}
    assert nodes["pushed_towers"].exec_properties["name"] == contract.MODEL_TESTED
    assert nodes["final_pushed_towers"].exec_properties["name"] == contract.MODEL
    with pytest.raises(InputError, match="the model that was tested is gone"):
        refreshed(data, final_fit="all")


def test_a_refresh_of_a_refresh_has_the_first_ones_towers(data: Path) -> None:
    """So that a second refresh of the same data finds the first in the cache."""
    first, second = (
        properties(refreshed(data, number, **record)) for number, record in ((7, {}), (8, {"refreshes": 7}))
    )
    assert first["pushed_towers"] == second["pushed_towers"]
    assert first["pusher"] == second["pusher"]
    assert first["catalogue_check"] != second["catalogue_check"]


def test_a_final_fit_leaves_what_it_repeats_in_the_cache(data: Path) -> None:
    """Switching it on reruns nothing before it: no property changes, and of these no input."""
    assert changed(data, "final_fit=all") == set()
    nodes = {node.id: node for node in graph(data, "final_fit=all").components}
    for node in graph(data).components:
        if node.id not in ("serving_check", "pusher"):
            inputs = [
                {key: channel.producer_component_id for key, channel in each.inputs.items()}
                for each in (node, nodes[node.id])
            ]
            assert inputs[0] == inputs[1]


def test_a_final_fit_wires_who_is_judged_by_whom(data: Path) -> None:
    nodes = {node.id: node for node in graph(data, "final_fit=all").components}

    def inputs(node: str) -> dict[str, tuple[str, str]]:
        return {
            key: (channel.producer_component_id, channel.output_key)
            for key, channel in nodes[node].inputs.items()
        }

    assert inputs("pusher") == {
        "model": ("final_index", "model"),
        "model_exact": ("final_index", "model_exact"),
        "tested_model": ("index", "model"),
        "blessing": ("evaluator", "blessing"),
        "infra_blessing": ("serving_check", "infra_blessing"),
        "evaluation": ("evaluator", "evaluation"),
    }
    assert inputs("serving_check")["blessing"] == ("final_evaluator", "blessing")
    assert inputs("final_evaluator") == {
        "examples": ("example_gen", "timelines"),
        "model": ("final_index", "model"),
        "baseline_model": ("index", "model"),
    }
    assert inputs("final_trainer")["blessing"] == ("evaluator", "blessing")
    assert inputs("final_trainer")["tested_model"] == ("trainer", "model")
    assert (
        nodes["final_trainer"].exec_properties["custom_config"]
        == nodes["trainer"].exec_properties["custom_config"]
    )


@pytest.mark.parametrize(
    ("override", "node"),
    [
        ("example_gen.events_per_shard=1000", "example_gen"),
        ("transform.max_tags=7", "transform"),
        ("model.embedding_dim=8", "trainer"),
        ("trainer.epochs=1", "trainer"),
        ("index.default_k=7", "index"),
        ("evaluator.ann_recall=0.5", "evaluator"),
        ("serving_check.timeout_s=7", "serving_check"),
        ("pusher.keep_versions=7", "pusher"),
    ],
)
def test_a_knob_changes_its_own_component_alone(data: Path, override: str, node: str) -> None:
    assert changed(data, override) == {node}


def test_a_changed_rating_under_the_same_path_reaches_example_gen(data: Path) -> None:
    before = properties(graph(data))
    (data / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,3.5,1\n")
    after = properties(graph(data))
    assert {node for node in before if before[node] != after[node]} == {"example_gen"}


def test_cache_beam_and_store_pass_through(data: Path) -> None:
    pipeline = graph(
        data,
        "cache=false",
        "beam_pipeline_args=[--runner=FnApiRunner, --direct_running_mode=multi_processing]",
        "metadata=mysql://u:p@db/m",
    )
    assert not pipeline.enable_cache
    assert pipeline.beam_pipeline_args[:2] == [
        "--runner=FnApiRunner", "--direct_running_mode=multi_processing"
    ]  # fmt: skip
    assert pipeline.metadata_connection_config.mysql.host == "db"


def test_latest_means_the_last_pushed_version(data: Path) -> None:
    assert "warm_start" in properties(graph(data))["trainer"]["custom_config"]
    assert changed(data, "trainer.warm_start=latest") == set()  # nothing pushed yet: afresh
    version = data.parent / "artifacts" / "serving_model" / contract.MODEL / "17"
    version.mkdir(parents=True)
    (version / contract.PUSHED).write_text("{}")
    (version / "saved_model.pb").touch()
    assert str(version) in properties(graph(data, "trainer.warm_start=latest"))["trainer"]["custom_config"]


def test_latest_means_the_tested_model_of_a_final_fit(data: Path) -> None:
    served = data.parent / "artifacts" / "serving_model"
    for model in (contract.MODEL, contract.MODEL_TESTED):
        (served / model / "17").mkdir(parents=True)
        (served / model / "17" / "saved_model.pb").touch()
    (served / contract.MODEL / "17" / contract.PUSHED).write_text('{"final_fit": "all"}')
    values = properties(graph(data, "trainer.warm_start=latest", "final_fit=all"))
    for node in ("trainer", "final_trainer"):
        assert str(served / contract.MODEL_TESTED / "17") in values[node]["custom_config"]
    (served / contract.MODEL_TESTED / "17" / "saved_model.pb").unlink()  # then nothing honest is left
    assert changed(data, "trainer.warm_start=latest") == set()


def test_what_differs_from_run_to_run_reaches_its_components(data: Path) -> None:
    config = load(None, ["final_fit=all"])
    launch = Launch(data="/d", fingerprint="f", push_to="/p", max_steps=7)
    values = properties(create_pipeline(config, launch))
    assert (values["example_gen"]["data_path"], values["example_gen"]["data_fingerprint"]) == ("/d", "f")
    assert values["baseline"]["push_destination"] == values["pusher"]["destination"] == "/p"
    assert values["trainer"]["max_steps"] == values["final_trainer"]["max_steps"] == "7"
    assert values["evaluator"] == properties(graph(data, "final_fit=all"))["evaluator"]


def test_without_data_it_says_who_finds_it() -> None:
    with pytest.raises(ValueError, match=r"pipeline\.runs\.data\.resolve"):
        create_pipeline(load())


@pytest.mark.parametrize("flag", ["--direct_num_workers=abc", "--direct_running_mode=fast"])
def test_a_flag_that_beam_refuses_is_named(data: Path, flag: str, capfd: pytest.CaptureFixture[str]) -> None:
    name, _, value = flag.partition("=")
    with pytest.raises(ConfigError, match=rf"^beam_pipeline_args = \['{flag}'\]: .*{name}.*'{value}'"):
        graph(data, f"beam_pipeline_args=[{flag}]")
    assert "usage:" not in "".join(capfd.readouterr())
