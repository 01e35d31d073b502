"""Figures of the metrics beside what was counted."""

from __future__ import annotations

import pytest

from serving.app.page.live import quantile


@pytest.mark.parametrize(("share", "bound"), [(0.5, 0.01), (0.9, 0.05), (0.91, None)])
def test_a_quantile_is_the_bound_of_its_bucket(share: float, bound: float | None) -> None:
    buckets = {"0.01": 50.0, "0.05": 90.0, "+Inf": 100.0}
    assert quantile(buckets, share) == bound


def test_without_requests_there_is_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({"0.01": 0.0, "+Inf": 0.0}, 0.5) is None
