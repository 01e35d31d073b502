"""All measurements of one pushed model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from benchmarks.behaviour import cold_start, diversity, explanation, log, measured, new_items, similar
from benchmarks.behaviour.asked import Asked
from components.common import feature_file
from leaderboard.comparison import Comparison
from leaderboard.ranking import UserMetrics


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """What was found; `diversity` by the request's `diversity`."""

    cold_start: cold_start.ColdStart
    new_items: new_items.NewItems
    explanation: explanation.Explanation
    diversity: dict[float, UserMetrics]
    similar: similar.Similar

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """What each part is held against, paired over the same people or items; 95 % intervals."""
        people, items, near = self.cold_start, self.new_items, self.similar
        known = [
            cold_start.GENRES,
            *(name(n) for name in (cold_start.favourites, cold_start.newest) for n in cold_start.LIKES),
        ]
        tastes = people.above(cold_start.GENRES, cold_start.NOTHING, measured.RECALL_20)
        named = self.explanation.falls_further(explanation.RANDOM)
        refresh = items.of_a_refresh(new_items.PERCENTILE)
        return {
            **{f"new person, {name}": people.above_popularity(name, measured.RECALL_20) for name in known},
            "new person, genres against nothing": tastes,
            "new item": items.above_popularity(new_items.PERCENTILE),
            "new item among new ones": items.above_chance(new_items.AMONG_NEW),
            **({} if refresh is None else {"item of a refresh": refresh}),
            "explanation, named item taken out": named,
            **{
                f"similar, {metric}, {other}": near.above(other, metric)
                for metric in similar.METRICS
                for other in (similar.MATCHED, similar.GENRES)
            },
        }


def measure(
    model_dir: str, timelines_uri: str, fitted_dir: str, say: Callable[[str], None] = lambda _: None
) -> Behaviour:
    """Asks a pushed model.

    Args:
      model_dir: a SavedModel that has not seen the test split (`versions.Version.unseen`).
      timelines_uri: of the run that made it.
      fitted_dir: the SavedModel whose towers it has: another one's if it is a refresh, else its own.
      say: told what comes next.

    Raises:
      ValueError: the log is another one's, or too small for a measurement.
    """
    known = log.read(model_dir, timelines_uri)
    asked = Asked(model_dir, known.catalogue, feature_file.read(timelines_uri).item)
    say(f"{len(known.queries):,} people with a relevant test item, {known.catalogue.size:,} items")
    say("new people")
    people = cold_start.measure(asked, known)
    say("new items")
    items = new_items.measure(asked, known, log.catalogue_of(fitted_dir).ids)
    say("explanations")
    reasons = explanation.measure(asked, known)
    say("diversity")
    curve = diversity.measure(asked, known)
    say("similar items")
    return Behaviour(people, items, reasons, curve, similar.measure(asked, known))
