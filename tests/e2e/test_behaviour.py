"""New people, new items, explanations, diversity and similar items of a really pushed model.

One run of benchmarks/behaviour/__main__.py measures them all. An interval is of 95 % and paired.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from support.workspace import REPOSITORY

from benchmarks.behaviour import cold_start, diversity, explanation, measured, new_items, similar

pytestmark = pytest.mark.nightly(
    "benchmarks/behaviour", "benchmarks/harness", "components/model", "components/trainer", "components/index"
)


@pytest.fixture(scope="module")
def folder(pushed_workspace, tmp_path_factory):
    out = tmp_path_factory.mktemp("behaviour")
    command = [
        "-m",
        "benchmarks.behaviour",
        "--set",
        f"artifacts={pushed_workspace.artifacts}",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (out / "printed").write_text(done.stdout)
    return out


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / "behaviour.json").read_text())


def higher(found, name):
    return found["comparisons"][name]["verdict"] == "higher"


def test_the_more_likes_the_better_and_few_are_enough_to_beat_popularity(found):
    known = {name: of[measured.RECALL_20] for name, of in found["cold_start"]["known"].items()}
    for of_likes in (cold_start.newest, cold_start.favourites):
        assert known[of_likes(10)] > known[of_likes(1)]
    assert known[cold_start.EVERYTHING] > known[cold_start.NOTHING]
    for likes in (3, 5, 10):
        assert higher(found, f"new person, {cold_start.newest(likes)}")


def test_tastes_alone_say_more_than_nothing(found):
    known = found["cold_start"]["known"]
    for metric in (measured.RECALL_20, measured.NDCG_10):
        assert known[cold_start.GENRES][metric] > known[cold_start.NOTHING][metric]
    assert higher(found, f"new person, {cold_start.GENRES}")


def test_a_new_item_is_placed_by_its_content(found):
    """Above where popularity leaves it, and among new items nearer to those who will like it."""
    assert higher(found, "new item")
    assert higher(found, "new item among new ones")
    told = found["new_items"]["hidden"]
    for metric in (new_items.AMONG_NEW, new_items.IN_FIRST_100):
        assert told[new_items.OWN][metric] > told[new_items.CONTENT][metric]


def test_explanations_are_leave_one_out(found):
    agreement = found["explanation"]
    assert agreement["same_first"] > 0.98 and agreement["same_five"] > 0.98 and agreement["tau"] > 0.98
    assert agreement["largest_error"] < 1e-3


def test_a_recommendation_falls_without_the_item_that_explains_it(found):
    assert higher(found, "explanation, named item taken out")
    fall = {name: of[explanation.FALL] for name, of in found["explanation"]["fall"].items()}
    assert fall[explanation.NAMED] > 5 * max(fall[explanation.RANDOM], fall[explanation.NEWEST])


def test_diversity_makes_lists_unlike_at_the_price_of_relevance(found):
    curve = [found["diversity"][str(value)] for value in diversity.VALUES]
    steps = itertools.pairwise(point[diversity.UNLIKENESS] for point in curve)
    assert all(after > before for before, after in steps)
    assert curve[-1][diversity.GENRES] > curve[0][diversity.GENRES]
    assert curve[-1][measured.RECALL_10] < curve[0][measured.RECALL_10]


def test_neighbours_share_the_audience_and_not_only_the_genre(found):
    """Against items that are as like by genre as the neighbours are.

    Ten items of the very same genres are no measure here: the sample draws a film's genres
    from the cluster that decides who watches it.
    """
    assert higher(found, f"similar, {similar.LIFT}, {similar.MATCHED}")
    lists = found["similar"]["lists"]
    for metric in similar.METRICS:
        assert lists[similar.NEIGHBOURS][metric] > lists[similar.MATCHED][metric]
    assert lists[similar.NEIGHBOURS][similar.LIFT] > 1.2 * lists[similar.RANDOM][similar.LIFT]


def test_the_report_is_a_table_bars_and_a_plot(folder, found):
    printed = (folder / "printed").read_text()
    table = printed.partition("new people (")[2].partition("\n\n")[0]
    for name, value in found["cold_start"]["known"].items():
        (line,) = [line for line in table.splitlines() if line.startswith(f"{name} ")]
        assert f"{value[measured.RECALL_20]:.4f}" in line
    assert len(found["bars"]) == len(found["comparisons"]) + 2
    for bar in found["bars"]:
        assert bar["ok"] == (bar["value"] >= bar["bound"]) and bar["name"] in printed
    nodes = list(ET.parse(folder / "behaviour.svg").iter())
    texts = [node.text for node in nodes if node.tag.endswith("text")]
    assert set(found["cold_start"]["known"]) | set(found["similar"]["lists"]) <= set(texts)
    [words] = [node.text for node in nodes if node.tag.endswith("desc")]
    for value, point in zip(diversity.VALUES, found["diversity"].values(), strict=True):
        assert f"{value:g} {point[measured.RECALL_10]:.4f} at {point[diversity.UNLIKENESS]:.4f}" in words
