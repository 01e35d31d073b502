"""The config says what is wrong with it, key by key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from components.common.params import Section
from components.model.params import ModelParams
from pipeline.config.docs import documented_defaults
from pipeline.config.reader import CONFIGS, DEFAULT_FILE, key_paths, load
from pipeline.config.sections import Config
from pipeline.errors import ConfigError


def message(*overrides: str, text: str | None = None, folder: Path | None = None) -> str:
    file = None
    if text is not None:
        assert folder is not None
        file = folder / "config.yaml"
        file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, overrides)
    return str(caught.value)


def test_the_default_file_documents_every_key_with_its_default() -> None:
    assert DEFAULT_FILE.read_text() == documented_defaults(), "a default changed: make docs"
    values = yaml.safe_load(DEFAULT_FILE.read_text())
    lines = DEFAULT_FILE.read_text().splitlines()
    for path, field in key_paths():
        at = values
        for key in path.split("."):
            at = at[key]
        default = field.get_default(call_default_factory=True)
        if isinstance(default, tuple):
            default = [
                item.model_dump(mode="json", exclude_defaults=True) if isinstance(item, Section) else item
                for item in default
            ]
        assert at == default
        assert field.description, f"{path} has no description"
        indent = "  " * path.count(".")
        line = next(
            n for n, text in enumerate(lines) if text.startswith(f"{indent}{path.rpartition('.')[2]}: ")
        )
        assert lines[line - 1].strip().startswith("# [")


def test_the_default_file_is_the_defaults() -> None:
    assert load() == Config()


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_loads_by_name(file: Path) -> None:
    assert load(file.stem) == load(file)


@pytest.mark.parametrize("delimiter", ["|", ">", ";", "::", "#", ",", "|~", "^"])
def test_a_delimiter_is_itself_though_yaml_has_signs_like_it(delimiter: str) -> None:
    assert load(None, [f"example_gen.delimiter={delimiter}"]).example_gen.delimiter == delimiter


def test_overrides_are_yaml_and_the_last_wins() -> None:
    config = load(
        None,
        [
            "trainer.epochs=3",
            "trainer.epochs=4",
            "model.hidden=[8, 4]",
            "cache=false",
            "trainer.learning_rate=1e-3",
        ],
    )
    assert (config.trainer.epochs, config.model.hidden, config.cache) == (4, (8, 4), False)
    assert config.trainer.learning_rate == 1e-3


def test_one_entry_of_a_mapping_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("name: mine\nevaluator:\n")
    defaults = Config().evaluator.floors
    assert load(file, ["evaluator.floors.recall@10=0.5"]).evaluator.floors == {**defaults, "recall@10": 0.5}


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("trainer.epcohs=3", ["trainer.epcohs: no such key", "did you mean trainer.epochs?"]),
        ("trianer.epochs=3", ["trianer: no such key", "did you mean trainer?"]),
        ("epochs=3", ["epochs: no such key", "did you mean trainer.epochs?"]),
        ("pusher.zzz=1", ["pusher.zzz: no such key", "keys of pusher: keep_versions"]),
        (
            "trainer.epochs=abc",
            ["trainer.epochs = 'abc' (text): must be a whole number, at least 1; default "],
        ),
        ("trainer.epochs=0", ["trainer.epochs = 0 (a whole number): must be a whole number, at least 1"]),
        ("trainer.epochs=1.5", ["trainer.epochs = 1.5 (a number): must be a whole number"]),
        ("model.dropout=1", ["model.dropout = 1", "a number, at least 0 and below 1; default "]),
        ("model.hidden=[8, x]", ["model.hidden[1] = 'x' (text): must be a list, each item a whole number"]),
        ("model.hidden=[8, 0]", ["model.hidden[1] = 0", "a list, each item a whole number, at least 1"]),
        ("model.rating_hidden=[-4]", ["model.rating_hidden[0] = -4", "a whole number, at least 1"]),
        ("model.half_lives=[5, 0]", ["model.half_lives[1] = 0", "each item a number, above 0"]),
        ("model.half_lives=[.inf]", ["model.half_lives[0] = inf", "above 0, with 1 items", "and finite"]),
        ("model.rating_shrinkage=0", ["model.rating_shrinkage = 0", "must be a number, above 0"]),
        ("model.temperature=yes", ["model.temperature = True (true or false): must be a number, above 0"]),
        ("trainer.epochs=on", ["trainer.epochs = True (true or false): must be a whole number"]),
        ("model.hidden=[8, yes]", ["model.hidden = [8, True] (a list): must be a list"]),
        ("evaluator.floors.recall@10=yes", ["evaluator.floors = ", "a mapping of text to a number"]),
        ("serving_check.timeout_s=.inf", ["serving_check.timeout_s = inf", "above 0, and finite"]),
        ("trainer.learning_rate=.nan", ["trainer.learning_rate = nan", "and finite"]),
        ("metadata=sqlite:x.db", ["metadata = 'sqlite:x.db' (text): must be sqlite:///PATH, mysql://"]),
        ("metadata=sqlite://rel.db", ["metadata = 'sqlite://rel.db' (text): must be sqlite:///PATH"]),
        (
            "metadata=mysql://u:secret@db:port/m",
            ["metadata = 'mysql://u:***@db:port/m' (text): must be sqlite:///PATH"],
        ),
        ("cache=perhaps", ["cache = 'perhaps' (text): must be true or false; default true"]),
        ("trainer=3", ["trainer = 3 (a whole number): is a section; allowed: seed, epochs"]),
        ("trainer.epochs.x=3", ["trainer.epochs is a value", "not a section"]),
        ("index.default_k=200", ["index: default_k is 200, above max_k 100"]),
        ("evaluator.floors.recall=0.1", ["evaluator.floors", "unknown metric recall", "recall@10"]),
        ("evaluator.floors.recall@10=x", ["evaluator.floors[recall@10] = 'x'", "a number"]),
        ("metadata=redis://x", ["metadata = 'redis://x' (text): must be sqlite:///PATH, mysql://"]),
        ("name=My Run", ["name = 'My Run'", "lower case letters, digits and hyphens"]),
        ("artifacts=gs://bucket/a", ["metadata: artifacts is a URL (gs://bucket/a)", "give metadata as"]),
        ("trainer.epochs", ["--set trainer.epochs: expected key.path=value"]),
        ("=3", ["--set =3: expected key.path=value"]),
        ("model.hidden=[8", ["--set model.hidden=[8: the value is not valid YAML: line 1"]),
    ],
)
def test_a_wrong_override_is_explained(override: str, parts: list[str]) -> None:
    text = message(override)
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("kind", "overrides", "part"),
    [
        (
            "ease",
            ["model.hidden=[64]", "model.dropout=0.5"],
            "model: hidden = [64], dropout = 0.5: not read by model.kind ease; leave the default "
            "(hidden = [128], dropout = 0.2), or choose a kind that reads what you set",
        ),
        ("ease", ["model.knn_shrink=3"], "model: knn_shrink = 3.0: not read by model.kind ease; leave the"),
        ("item_knn", ["model.item_item_l2=3"], "model: item_item_l2 = 3.0: not read by model.kind item_knn"),
        ("popularity", ["model.item_item_dim=64"], "model: item_item_dim = 64: not read by model.kind popul"),
        ("two_tower", ["model.knn_neighbours=3"], "model: knn_neighbours = 3: not read by model.kind two_to"),
        ("content_two_tower", ["model.hidden=[8]"], "model: hidden = [8]: not read by model.kind content_tw"),
        ("item_knn", ["model.rating_factors=0"], "rating_factors: 0 leaves item_knn without predicted stars"),
        (
            "popularity",
            ["trainer.epochs=3", "trainer.warm_start=latest"],
            "trainer: epochs = 3, warm_start = 'latest': not read by model.kind popularity; leave "
            "the default (epochs = 8, warm_start = '')",
        ),
        (
            "ease",
            ["trainer.checkpoint_dir=/x"],
            "trainer: checkpoint_dir = '/x': not read by model.kind ease",
        ),
        (
            "content_two_tower",
            ["trainer.uniform_negatives=0"],
            "trainer: uniform_negatives = 0: not read by model.kind content_two_tower; leave the default",
        ),
        (
            "ease",
            ["kubeflow.trainer_workers=2", "kubeflow.volumes={a: /a}", "kubeflow.trainer_dir=/a/t"],
            "kubeflow.trainer_workers = 2: a model of kind ease is fitted by one process; expected 1",
        ),
        (
            "lightfm",
            [],
            "model.kind = 'lightfm' (text): must be one of two_tower, popularity, item_knn, ease",
        ),
    ],
)
def test_what_a_kind_of_model_does_not_read_is_refused(kind: str, overrides: list[str], part: str) -> None:
    assert part in message(f"model.kind={kind}", *overrides)


def test_what_a_kind_of_model_reads_is_taken() -> None:
    common = ["trainer.seed=3", "trainer.monitor_k=5"]
    stars = ["model.rating_factors=3", "model.rating_window=50", "model.rating_half_life=9"]
    history = ["model.item_item_dim=64", "model.item_item_half_life=5", "model.history_window=40"]
    for kind, keys in (
        ("popularity", stars),
        ("item_knn", [*stars, *history, "model.knn_shrink=0", "model.knn_neighbours=7"]),
        ("ease", [*stars, *history, "model.item_item_l2=10"]),
        ("content_two_tower", ["model.dropout=0", "trainer.epochs=3", "trainer.warm_start=latest"]),
    ):
        config = load(None, [f"model.kind={kind}", *common, *keys])
        assert (config.model.kind, config.trainer.monitor_k) == (kind, 5)
        # As it travels to its component.
        assert ModelParams.from_json(config.model.to_json()) == config.model


def test_every_error_is_told_at_once() -> None:
    assert message("trainer.epochs=0", "model.embedding_dim=x", "nmae=a").count("\n") == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("trainer: {epochs: 1\n", "is not valid YAML: line 2"),
        ("trainer:\n  epochs: 1\n  epochs: 2\n", "epochs is given twice"),
        ("- a\n- b\n", "holds ['a', 'b'] (a list); expected keys and values"),
        ("trainer: [1]\n", "trainer = [1] (a list): is a section"),
        ("trainer:\n  epochs: null\n", "trainer.epochs = None: must be a whole number"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, part: str) -> None:
    assert part in message(text=text, folder=tmp_path)


def test_a_missing_file_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigError, match=r"no config file movielens; .*reference, sample"):
        load("movielens")


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("# nothing\ntrainer:\n  # epochs: 5\n")
    assert load(file) == Config()


def test_places_follow_the_artifacts_root(tmp_path: Path) -> None:
    config = load(None, [f"artifacts={tmp_path}"])
    resolved = config.resolved()
    assert resolved["logs"] == f"{tmp_path}/logs"
    assert resolved["push_to"] == f"{tmp_path}/serving_model"
    assert resolved["metadata"] == f"sqlite:///{tmp_path}/metadata.sqlite"
    assert Path(load(None, ["artifacts=here"]).artifacts_dir) == Path.cwd() / "here"


def test_places_on_an_object_store() -> None:
    config = load(None, ["artifacts=gs://bucket/a/", "metadata=mysql://u:secret@db/m"])
    assert (config.artifacts_dir, config.serving_dir) == ("gs://bucket/a", "gs://bucket/a/serving_model")
    assert Path(config.logs_dir) == Path.cwd() / "artifacts" / "logs"


def test_the_log_line_is_complete_and_keeps_the_password_out() -> None:
    line = load(None, ["metadata=mysql://u:hunter2@db/m"]).resolved_line()
    assert "\n" not in line
    assert "hunter2" not in line
    values = json.loads(line)
    assert set(values) == set(Config.model_fields)
    assert values["model"] == json.loads(ModelParams().to_json())


def test_every_section_survives_json() -> None:
    config = load("sample")
    for name in Config.model_fields:
        section = getattr(config, name)
        if isinstance(section, Section):
            assert type(section).from_json(section.to_json()) == section
