"""The model card: every section of the paper, the run's own figures, nothing invented."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

import contract
from components.evaluator.gates import Gate
from components.evaluator.report import ModelMetrics, Report
from components.pusher import model_card
from components.pusher.params import PusherParams

# Mitchell et al., 2019, figure 1.
SECTIONS = ("Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
            "Quantitative analyses", "Ethical considerations", "Caveats and recommendations")  # fmt: skip
INFO: dict[str, Any] = {
    "items": 60, "dimension": 8, "known_users": 0, "search": {"kind": "exact"},
    "features": {"feedback": "implicit", "item": [{"name": "brand"}], "user": [{"name": "city"}]},
}  # fmt: skip
ABOUT = {"name": "toy", "kind": "ease", "split": "leave_last_out"}


@pytest.fixture
def document() -> dict[str, Any]:
    slices = {"slice_cold": {"warm": {"recall@10": 0.5, "users": 4.0}, "cold": {"recall@10": math.nan}}}
    metrics = ModelMetrics(
        {"recall@10": 0.25, "users": 8.0, "rmse": math.nan},
        slices,
        {"recall@10": 0.01},
        {"slice_cold": {"warm": {"recall@10": 0.02}}},
    )
    gates = [Gate("regression", None, -5.0, True, "no pushed model")]
    return model_card.card("r1", ABOUT, False, INFO, Report(metrics), gates, PusherParams())


def test_figures_and_intervals(document: dict[str, Any]) -> None:
    assert document["metrics"]["recall@10"] == {"value": 0.25, "error": pytest.approx(0.0196)}
    assert document["metrics"]["rmse"] == {"value": None, "error": None}
    warm, cold = document["quantitative_analyses"]
    assert (warm["value"], warm["users"], warm["recall@10"]["error"]) == ("warm", 4.0, pytest.approx(0.0392))
    assert cold["recall@10"] == {"value": None, "error": None}
    assert document["evaluation_data"]["users"] == 8


def test_what_nobody_said_is_said(document: dict[str, Any]) -> None:
    assert "pusher.data_licence" in document["training_data"]["licence"]
    assert "pusher.contact" in document["model_details"]["contact"]
    assert document["personal_data"] == {
        "histories": 0, "what": "no user's id or history", "user_columns": ["city"],
        "drift_histories": 0,
    }  # fmt: skip


def test_markdown_has_every_section_of_the_paper(document: dict[str, Any]) -> None:
    text = model_card.markdown(document)
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert [heading for heading in SECTIONS if heading not in headings] == []
    assert "| recall@10 | 0.25 ± 0.02 |" in text
    assert "Columns of users that it was fitted on: city." in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def test_the_log_that_travels_for_drift_is_personal_data() -> None:
    card = model_card.card("r1", ABOUT, False, INFO, Report(ModelMetrics({}, {})), [], PusherParams(), 12)
    text = model_card.markdown(card)
    assert "Personal data held: no user's id. For `marquee drift`: the events of 12 users" in text


def test_json_is_strict(document: dict[str, Any]) -> None:
    found = model_card.files(document)
    again = json.loads(
        found[f"{contract.ASSETS_EXTRA}/{contract.MODEL_CARD_JSON}"], parse_constant=pytest.fail
    )
    assert again == json.loads(json.dumps(document))


def test_every_split_rule_has_its_words() -> None:
    from typing import get_args

    assert set(model_card._SPLITS) == set(get_args(contract.SplitRule))
