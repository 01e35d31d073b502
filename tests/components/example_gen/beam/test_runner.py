"""Which engine a run gets."""

import pytest

from components.example_gen.beam.runner import choose, has_workers
from components.example_gen.params import ExampleGenParams


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], False),
        (["--runner=FnApiRunner"], False),
        (["--runner=DirectRunner", "--direct_num_workers=4"], False),
        (["--runner=apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"], False),
        (["--runner=DirectRunner", "--direct_running_mode=multi_processing"], True),
        (["--runner=FnApiRunner", "--direct_running_mode=multi_threading"], True),
        (["--direct_running_mode=multi_processing", "--direct_num_workers=2"], True),
        (["--runner=PrismRunner"], True),
        (["--runner=FlinkRunner", "--flink_master=flink:8081"], True),
        (["--runner=SparkRunner"], True),
        (["--runner=DataflowRunner", "--project=p", "--region=r"], True),
    ],
)
def test_a_runner_with_workers_is_known(flags, expected):
    assert has_workers(flags) is expected
    on_beam, reason = choose(ExampleGenParams(), flags)
    assert on_beam is expected
    assert ("with workers" in reason) is expected


@pytest.mark.parametrize("flags", [["--runner=FnApiRunner"], ["--runner=FlinkRunner"]])
def test_the_config_overrides(flags):
    assert choose(ExampleGenParams(engine="beam"), flags) == (True, "example_gen.engine is beam")
    assert choose(ExampleGenParams(engine="local"), flags) == (False, "example_gen.engine is local")
