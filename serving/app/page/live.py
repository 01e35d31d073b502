"""Figures of the application since it started, read from its metrics: those that Prometheus scrapes too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from serving.app.edge import metrics

Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]


def figures() -> dict[str, str]:
    """What is shown, by its name; empty before anything was asked."""
    samples = _samples(metrics.render().decode())
    requests = _by(samples, "marquee_app_requests_total", "status")
    total = sum(requests.values())
    if not total:
        return {}
    failed = sum(count for status, count in requests.items() if status.startswith("5"))
    shown = {"Requests": f"{total:,.0f}", "of them failed": f"{failed:,.0f}"}
    for share, name in ((0.5, "Half answered within"), (0.99, "99 % answered within")):
        seconds = quantile(_by(samples, "marquee_app_request_seconds_bucket", "le"), share)
        if seconds is not None:
            shown[name] = f"{1000 * seconds:,.0f} ms"
    words = {
        "model": "Lists from the model",
        "cached": "Lists from memory",
        "popular": "Popular lists instead",
    }
    answers = _by(samples, "marquee_app_answers_total", "source")
    shown |= {words.get(source, source): f"{count:,.0f}" for source, count in sorted(answers.items())}
    items = _by(samples, "marquee_app_shown_items_total", "version")
    likes: dict[str, float] = defaultdict(float)
    for labels, value in samples.get("marquee_app_events_total", ()):
        if labels.get("kind") == "like":
            likes[labels.get("version", "")] += value
    for version, count in sorted(items.items()):
        if count:
            rate = 1000 * likes[version] / count
            shown[f"Likes per 1,000 shown, version {version}"] = f"{rate:,.1f}"
    return shown


def quantile(buckets: Mapping[str, float], share: float) -> float | None:
    """The upper bound of the bucket in which the share lies; None where it is in none with a bound.

    Args:
      buckets: cumulative counts by upper bound, as Prometheus writes them.
    """
    ordered = sorted((float(bound), count) for bound, count in buckets.items())
    if not ordered or not ordered[-1][1]:
        return None
    wanted = share * ordered[-1][1]
    bound = next(bound for bound, count in ordered if count >= wanted)
    return None if bound == float("inf") else bound


def _samples(text: str) -> Samples:
    found: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def _by(samples: Samples, name: str, label: str) -> dict[str, float]:
    """A metric summed over all labels but one."""
    totals: dict[str, float] = defaultdict(float)
    for labels, value in samples.get(name, ()):
        totals[labels.get(label, "")] += value
    return totals
