"""Whether a candidate answers as fast as the last pushed model. Pure: milliseconds in, verdicts out."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from components.evaluator.gates import Gate
from components.serving_check.params import ServingCheckParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCKS: Final = 5  # of a model's queries, for a median
PERCENTILES: Final = {"p50": 0.5, "p99": 0.99}


@dataclasses.dataclass(frozen=True)
class Latency:
    """What was measured.

    Attributes:
      rate: queries per second.
      queries: how many each model was asked.
      candidate: milliseconds by PERCENTILES, of all its queries.
      pushed: the same of the last pushed model; empty if there is no comparison.
      ratios: by PERCENTILES, the candidate's over the pushed model's: in the median pair of blocks, or
        over all queries if that is less.
      pushed_version: "" if nothing was pushed.
      no_comparison: why there is none, "" if there is one.
    """

    rate: float
    queries: int
    candidate: Mapping[str, float]
    pushed: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ratios: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pushed_version: str = ""
    no_comparison: str = ""

    @classmethod
    def of_blocks(
        cls,
        rate: float,
        candidate: Sequence[NDArray[np.float64]],
        pushed: Sequence[NDArray[np.float64]] = (),
        pushed_version: str = "",
        no_comparison: str = "",
    ) -> Latency:
        """From the milliseconds of each block; those of the two models lie beside each other in time."""
        all_ours, all_theirs = _percentiles(candidate), _percentiles(pushed) if pushed else {}
        return cls(
            rate,
            sum(block.size for block in candidate),
            all_ours,
            all_theirs,
            {
                name: min(
                    all_ours[name] / all_theirs[name],
                    statistics.median(
                        _percentiles([ours])[name] / _percentiles([theirs])[name]
                        for ours, theirs in zip(candidate, pushed, strict=True)
                    ),
                )
                for name in all_theirs
            },
            pushed_version,
            no_comparison,
        )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def judge(latency: Latency, params: ServingCheckParams) -> list[Gate]:
    """A verdict for each percentile: value and bound are ratios to the last pushed model's.

    Refused is what is slower than the ratio in the median pair of blocks (a stall of the machine in one or
    two refuses nobody) and over all queries, and there slower than `latency_floor_ms`.
    """
    return [_judge(name, latency, params) for name in PERCENTILES]


def _judge(name: str, latency: Latency, params: ServingCheckParams) -> Gate:
    ours = latency.candidate[name]
    measured = f"{ours:.1f} ms at {latency.rate:g} queries/s, {latency.queries} from the test split"
    bound = params.latency_ratio
    if not latency.ratios:
        return Gate(f"{name} latency", None, bound, True, f"{measured}; {latency.no_comparison}")
    ratio = latency.ratios[name]
    slower, tolerable = ratio > bound, ours <= params.latency_floor_ms
    why = f"{measured}; {latency.pushed[name]:.1f} ms of version {latency.pushed_version}"
    if slower and tolerable:
        why += f"; up to {params.latency_floor_ms:g} ms no ratio refuses"
    return Gate(f"{name} latency", ratio, bound, tolerable or not slower, why)


def _percentiles(blocks: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    # Here: who reads verdicts needs no NumPy.
    import numpy as np

    values = np.concatenate(blocks)
    return {name: float(np.quantile(values, share)) for name, share in PERCENTILES.items()}
