"""`marquee` with the tiny pipeline in place of the real graph; run as a script or called in process.

TINY_VALUE and TINY_MODE in the environment set the components' parameters.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING

# The repository first: tests/pipeline is no `pipeline`.
sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[3]))

from pipeline import cli

if TYPE_CHECKING:
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.config.sections import Config


def _create_pipeline(config: Config) -> Pipeline:
    from support.pipelines import tiny_pipeline

    return tiny_pipeline.create_pipeline(
        Path(config.artifacts_dir),
        value=float(os.environ.get("TINY_VALUE", "0.9")),
        mode=os.environ.get("TINY_MODE", ""),
    )


def dag() -> types.ModuleType:
    """What stands for `pipeline.dag`."""
    module = types.ModuleType("pipeline.dag")
    module.create_pipeline = _create_pipeline  # type: ignore[attr-defined]
    return module


if __name__ == "__main__":
    sys.modules["pipeline.dag"] = dag()
    sys.exit(cli.main())
