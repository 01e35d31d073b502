"""The registry's entries, and what the docs say of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import plain_metrics
from support.extensions import toy_metric

from components.common.metrics import names, registry

REPOSITORY = Path(__file__).parents[4]


def test_the_docs_name_the_entry_of_a_metric_and_its_plain_loop() -> None:
    """What the entry does is tested where it is seen: the evaluator's executor, the leaderboard's board."""
    page = (REPOSITORY / "docs" / "develop" / "i-want-to.md").read_text()
    section = page.split("## A metric\n")[1].split("\n## ")[0]
    files = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    named = [Path(module.__file__).relative_to(REPOSITORY).as_posix() for module in (registry, plain_metrics)]
    assert files == named


def test_names_are_unique_and_those_that_code_asks_for_are_there() -> None:
    found = [metric.name for metric in registry.METRICS]
    constants = {value for name, value in vars(names).items() if name.isupper()}
    assert len(found) == len(set(found)) and constants <= set(found)
    assert all(metric.formula for metric in registry.METRICS)


def test_each_part_has_its_metrics() -> None:
    evaluated = registry.evaluated()
    assert names.OWN_RECALL_10 not in evaluated and next(iter(evaluated)) == names.RECALL_10
    assert {metric.reads for metric in evaluated.values()} == set(registry.EVALUATED)
    assert list(registry.on_leaderboard(registry.ERRORS, registry.OWN)) == [
        names.RMSE, names.MAE, names.OWN_RECALL_10, names.OWN_PRECISION_10
    ]  # fmt: skip
    lower = [metric.name for metric in registry.METRICS if registry.lower_is_better(metric.name)]
    assert lower == [names.RMSE, names.MAE]
    assert registry.reads("clicks") == "" and not registry.lower_is_better("clicks")


def test_an_entry_is_found_as_soon_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert toy_metric.NAME not in registry.evaluated()
    toy_metric.add(monkeypatch)
    assert toy_metric.NAME in registry.evaluated()
    assert list(registry.on_leaderboard(registry.HITS))[-1] == toy_metric.NAME
