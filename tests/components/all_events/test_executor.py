"""From artifacts on disk to artifacts on disk."""

from __future__ import annotations

import csv

from tfx.types import artifact_utils, channel_utils, standard_artifacts

import contract
from components.all_events import executor
from components.all_events.component import AllEvents
from components.example_gen.params import ExampleGenParams
from components.example_gen.records import read


def examples(uri):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(uri)
    return artifact


def test_the_artifacts_hold_every_rating_of_the_file(artifacts, tmp_path):
    inputs = {
        executor.TIMELINES: [examples(artifacts.timelines)], executor.ITEMS: [examples(artifacts.items)]
    }  # fmt: skip
    channels = [channel_utils.as_channel(given) for given in inputs.values()]
    component = AllEvents(*channels, ExampleGenParams(events_per_shard=2000))
    outputs = {key: [examples(tmp_path / key)] for key in component.outputs}
    executor.Executor().Do(inputs, outputs, {**component.exec_properties, contract.CODE_HASH: "ignored"})

    for (artifact,) in outputs.values():
        assert artifact_utils.decode_split_names(artifact.split_names) == [contract.TRAIN]
    timelines = read.read_timelines(str(tmp_path / executor.ALL_TIMELINES), contract.TRAIN)
    found = sorted(
        (row[contract.USER_ID], *event)
        for row in timelines.to_pylist()
        for event in zip(*(row[name] for name in contract.HISTORY_FEATURES), strict=True)
    )
    with (artifacts.folder / "data" / "ratings.csv").open() as file:
        rows = [
            (r["userId"], r["movieId"], float(r["rating"]), int(r["timestamp"])) for r in csv.DictReader(file)
        ]
    assert found == sorted(rows)
    assert len(list((tmp_path / executor.ALL_TIMELINES / "Split-train").iterdir())) == 4

    items = read.read_items(str(tmp_path / executor.ALL_ITEMS)).to_pylist()
    before = read.read_items(inputs[executor.ITEMS][0].uri).to_pylist()
    assert sum(item[contract.RATING_COUNT] for item in items) == len(rows)
    assert [item[contract.ITEM_ID] for item in items] == [item[contract.ITEM_ID] for item in before]
    assert all(
        new[contract.RATING_COUNT] >= old[contract.RATING_COUNT]
        for new, old in zip(items, before, strict=True)
    )
