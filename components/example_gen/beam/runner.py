"""Whether the Beam runner that is configured has workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from components.example_gen.params import ExampleGenParams

_IN_PROCESS: Final = ("directrunner", "fnapirunner", "bundlebaseddirectrunner", "switchingdirectrunner")


def has_workers(beam_pipeline_args: Sequence[str]) -> bool:
    """Whether these flags mean a cluster, or several processes or threads on this machine."""
    options = PipelineOptions(list(beam_pipeline_args))
    # A runner may be given as a class with its module.
    runner = (options.view_as(StandardOptions).runner or "").rpartition(".")[2].lower()
    in_process = not runner or runner in _IN_PROCESS
    return not in_process or options.view_as(DirectOptions).direct_running_mode != "in_memory"


def choose(params: ExampleGenParams, beam_pipeline_args: Sequence[str]) -> tuple[bool, str]:
    """Whether to run on Beam, and the reason in words."""
    if params.engine != "auto":
        return params.engine == "beam", f"example_gen.engine is {params.engine}"
    if has_workers(beam_pipeline_args):
        return True, "beam_pipeline_args name a runner with workers"
    return False, "the Beam runner works in this process"
