"""A metric as docs/develop/i-want-to.md says: an entry in the registry; its plain loop is its test's."""

from __future__ import annotations

import pytest

from components.common.metrics import registry

NAME = "hit_rate@5"
ENTRY = registry.Metric(
    NAME,
    "share of the users with a relevant item among the first 5",
    registry.HITS,
    lambda hits: (hits.first(5) > 0).astype(float),
    on_leaderboard=True,
)


def add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "METRICS", (*registry.METRICS, ENTRY))
