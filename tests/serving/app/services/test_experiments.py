"""Who is in which variant, and what a report says of simulated people."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from serving.app.results import Experiment, Variant
from serving.app.services import experiment_report
from serving.app.services.experiments import choose
from serving.app.store.experiment_counts import Counts

VARIANTS = [Variant(name="control", weight=3), Variant(name="new", label="canary", weight=1)]


def test_people_are_split_by_weight_and_stay_where_they_are():
    people = [f"p{n}" for n in range(20_000)]
    chosen = [choose("x", VARIANTS, person).name for person in people]
    assert chosen == [choose("x", VARIANTS, person).name for person in people]
    assert chosen.count("new") / len(people) == pytest.approx(0.25, abs=0.01)
    # Another experiment splits them anew: the overlap is that of independent draws.
    other = [choose("y", VARIANTS, person).name for person in people]
    both = sum(a == b == "new" for a, b in zip(chosen, other, strict=True)) / len(people)
    assert both == pytest.approx(0.25 * 0.25, abs=0.01)


def test_more_weight_moves_people_into_the_variant_only():
    wider = [VARIANTS[0], VARIANTS[1].model_copy(update={"weight": 3})]
    for n in range(2000):
        if choose("x", VARIANTS, f"p{n}").name == "new":
            assert choose("x", wider, f"p{n}").name == "new"


def simulated(rng: np.random.Generator, people: int, like_rate: float) -> Counts:
    """People show different numbers of lists, and differ in how much they like."""
    exposures = rng.poisson(5, people) + 1
    own = np.clip(rng.normal(like_rate, 0.1, people), 0, 1)
    outcomes = {"like": rng.binomial(exposures, own).astype(float)}
    return Counts(exposures.astype(float), outcomes, people)


def experiment(*variants: Variant, weighed: int | None = None) -> Experiment:
    return Experiment(id="x", variants=list(variants), started=0, stopped=None, weighed=weighed)


def test_intervals_hold_the_true_difference_as_often_as_they_say():
    rng = np.random.default_rng(1)
    asked = experiment(Variant(name="a"), Variant(name="b"))
    held = 0
    for _ in range(400):
        counts = {"a": simulated(rng, 300, 0.3), "b": simulated(rng, 300, 0.35)}
        difference = experiment_report.report(asked, counts).variants[1].differences["like"]
        assert difference.low is not None and difference.high is not None
        # Clipping at 0 and 1 hardly moves a normal of 0.3 and 0.1.
        held += difference.low <= 0.05 <= difference.high
    assert held / 400 == pytest.approx(0.95, abs=0.035)


def test_a_clear_difference_is_told_and_none_is_none():
    rng = np.random.default_rng(2)
    asked = experiment(Variant(name="a"), Variant(name="b"))
    clear = experiment_report.report(asked, {"a": simulated(rng, 2000, 0.3), "b": simulated(rng, 2000, 0.4)})
    assert clear.words == ["b has a higher like rate than a."]
    same = simulated(rng, 2000, 0.3)
    none = experiment_report.report(asked, {"a": same, "b": same})
    assert none.words == ["The data decide nothing: every interval holds 0."]
    few = experiment_report.report(asked, {"a": simulated(rng, 5, 0.1), "b": simulated(rng, 5, 0.9)})
    assert few.words == ["The data decide nothing: a variant has fewer than 30 people."]
    assert experiment_report.report(asked, {}).split_p is None
    quiet = Counts(np.ones(50), {}, 50)
    assert experiment_report.report(asked, {"a": quiet, "b": quiet}).words == [
        "The data decide nothing: nobody clicked, liked or hid what was shown."
    ]


def test_a_split_that_is_not_as_asked_is_told_instead_of_a_difference():
    rng = np.random.default_rng(3)
    asked = experiment(Variant(name="a"), Variant(name="b"))
    counts = {"a": simulated(rng, 1000, 0.3), "b": simulated(rng, 1300, 0.6)}
    report = experiment_report.report(asked, counts)
    assert report.split_p is not None and report.split_p < 1e-6
    assert report.words[0].startswith("Sample ratio mismatch")
    uneven = experiment(Variant(name="a"), Variant(name="b", weight=1.3))
    kept = experiment_report.report(uneven, counts)
    assert kept.split_p is not None and kept.split_p > 0.5


def test_other_weights_hold_for_the_people_seen_since():
    rng = np.random.default_rng(4)
    before = {"a": simulated(rng, 1000, 0.3), "b": simulated(rng, 1000, 0.3)}
    asked = experiment(Variant(name="a"), Variant(name="b", weight=3), weighed=100)
    since = {
        "a": dataclasses.replace(before["a"], split=50),
        "b": dataclasses.replace(before["b"], split=150),
    }
    report = experiment_report.report(asked, since)
    assert report.split_p == 1 and "since" in report.words[-1]
    assert [variant.people for variant in report.variants] == [1000, 1000]
    none = experiment_report.report(
        asked, {name: dataclasses.replace(one, split=0) for name, one in since.items()}
    )
    assert none.split_p is None and none.words[0].startswith("The data decide nothing")
    wrong = experiment_report.report(asked, before)
    assert wrong.words[0].startswith("Sample ratio mismatch")
