"""The config's `drift` section: bounds of `marquee drift`."""

from __future__ import annotations

from pydantic import Field

from components.common.params import Section


class DriftParams(Section):
    """A check past its bound is drift; 0 of a distance would call every difference one."""

    min_events: int = Field(
        500, ge=1, description="newer events (and items, for their columns: a tenth) that a check needs"
    )
    l_infinity: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest change of one value's share, of categorical columns and of tastes (L-infinity, "
        "TensorFlow Data Validation)",
    )
    jensen_shannon: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Jensen-Shannon divergence of numbers, ratings among them (TensorFlow Data Validation)",
    )
    missing: float = Field(0.1, ge=0, le=1, description="change of the share of items without a value")
    units: float = Field(3.0, gt=1, description="ratio of a number's median to that before, either way")
    activity: float = Field(
        2.0, gt=1, description="ratio of events per active user to that in as long a time before, either way"
    )
    history: float = Field(
        4.0, gt=1, description="ratio of the median history of active users to that before, either way"
    )
    popularity: float = Field(
        0.15,
        ge=0,
        le=1,
        description="share of the events on known items that moved from some items to others, beyond what "
        "chance explains",
    )
    unseen: float = Field(
        0.2, ge=0, le=1, description="share of the newer events on items that the model does not know"
    )
    recall_drop: float = Field(
        0.5,
        ge=0,
        le=1,
        description="how much lower Recall@10 on newer events may be than on the test split, as a share "
        "of it; the upper end of the 95 % interval counts",
    )
    served_share: float = Field(
        0.2, ge=0, le=1, description="of sampled requests: share of answers that is one item"
    )
