"""`marquee rate`: predicted beside given stars."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import contract


def test_predictions_stand_beside_the_test_ratings(
    marquee_json: Callable[..., dict[str, Any]], world: dict[str, Any]
) -> None:
    rows = {row[contract.USER_ID]: row for row in world["timelines"][contract.TEST].to_pylist()}
    user, row = max(rows.items(), key=lambda item: len(item[1][contract.TARGET_ITEM_IDS]))
    answer = marquee_json("rate", "--user", user)
    assert [(rating["item_id"], rating["rated"]) for rating in answer["ratings"]] == list(
        zip(row[contract.TARGET_ITEM_IDS], row[contract.TARGET_RATINGS], strict=True)
    )
    assert answer["history"] == len(row[contract.HISTORY_ITEM_IDS])
    predicted = np.array([rating["predicted"] for rating in answer["ratings"]])
    assert ((predicted >= 0.5) & (predicted <= 5.0)).all()
    errors = predicted - row[contract.TARGET_RATINGS]
    assert math.isclose(answer["rmse"], np.sqrt(np.mean(errors**2)), rel_tol=1e-6)
    assert math.isclose(answer["mae"], np.mean(np.abs(errors)), rel_tol=1e-6)
    assert answer["count"] == len(errors)


def test_the_table_ends_with_the_rmse(marquee: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = marquee("rate", "--user", "u1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[2].split() == ["title", "year", "genres", "rated", "predicted", "error"]
    assert lines[-1].startswith("RMSE ")


def test_who_has_no_test_ratings_is_told(marquee: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = marquee("rate", "--user", "nobody")
    assert (code, out) == (2, "")
    assert "user nobody is not in the log" in err
    code, _, err = marquee("rate", "--user", "u7")  # in train alone
    assert code == 2
    assert "too few to hold any back" in err


def test_without_the_timelines_it_says_what_to_do(
    marquee: Callable[..., tuple[int, str, str]], world, tmp_path
) -> None:
    (tmp_path / "serving_model").symlink_to(world["artifacts"] / "serving_model")
    code, _, err = marquee("rate", "--user", "u1", artifacts=tmp_path)
    assert code == 2
    assert "marquee run" in err
