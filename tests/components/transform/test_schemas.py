"""The curated schemas: good data passes in every split, planted dirt is named."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

import components.transform
import contract
from components.example_gen.records import schemas, write

SCHEMAS = Path(components.transform.__file__).parent / "schemas"


def schema_of(name: str) -> schema_pb2.Schema:
    return text_format.Parse((SCHEMAS / f"{name}.pbtxt").read_text(), schema_pb2.Schema())


def anomalies(name: str, table: pa.Table) -> dict[str, list[str]]:
    """Feature -> short descriptions, as StatisticsGen and ExampleValidator find them.

    The statistics are computed from encoded Examples without a schema, as in StatisticsGen.
    """
    batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch(write.encode(table))
    found = tfdv.validate_statistics(stats_impl.generate_statistics_in_memory(batch), schema_of(name))
    assert not found.HasField("dataset_anomaly_info")
    return {
        feature: [reason.short_description for reason in info.reason]
        for feature, info in found.anomaly_info.items()
    }


def timelines(split: str) -> pa.Table:
    rows = []
    for user in range(20):
        n = 3 + 20 * user
        targets = 0 if split == contract.TRAIN else max(1, n // 10)
        rows.append(
            {
                contract.USER_ID: str(user),
                contract.HISTORY_ITEM_IDS: [str(i) for i in range(n)],
                contract.HISTORY_RATINGS: [0.5 + (i % 10) / 2 for i in range(n)],
                contract.HISTORY_TIMESTAMPS: [800_000_000 + i for i in range(n)],
                contract.TARGET_ITEM_IDS: [str(i) for i in range(targets)],
                contract.TARGET_RATINGS: [0.5 + (i % 10) / 2 for i in range(targets)],
                contract.TARGET_TIMESTAMPS: [900_000_000 + i for i in range(targets)],
                contract.SLICE_HISTORY: contract.HISTORY_BUCKETS[user % 5][1] if targets else "",
                contract.SLICE_COLD: (contract.COLD, contract.WARM)[user % 2] if targets else "",
            }
        )
    return pa.Table.from_pylist(rows, schema=schemas.TIMELINES)


def items() -> pa.Table:
    rows = [
        {
            contract.ITEM_ID: str(i),
            contract.TITLE: f"Title {i % 7}",
            contract.YEAR: 0 if i % 9 == 0 else 1900 + i,
            contract.GENRES: [f"g{j}" for j in range(i % 4)],
            contract.TAGS: [f"t{j}" for j in range(i % 3)],
            contract.RATING_COUNT: i % 5,
            contract.RATING_MEAN: 3.5 if i % 5 else 0.0,
        }
        for i in range(50)
    ]
    return pa.Table.from_pylist(rows, schema=schemas.ITEMS)


def with_value(table: pa.Table, name: str, value) -> pa.Table:
    """The table with one record's feature replaced (a value or a list)."""
    index = table.column_names.index(name)
    values = table[name].to_pylist()
    values[3] = value
    return table.set_column(index, name, pa.array(values, table.schema.field(name).type))


@pytest.mark.parametrize("split", contract.SPLITS)
def test_good_timelines_pass(split):
    assert anomalies("timelines", timelines(split)) == {}


def test_a_single_short_timeline_passes():
    for split in contract.SPLITS:
        assert anomalies("timelines", timelines(split)[:1]) == {}


def test_good_items_pass():
    assert anomalies("items", items()) == {}


def test_items_without_tags_genres_years_and_ratings_pass():
    rows = [
        {**row, contract.YEAR: 0, contract.GENRES: [], contract.TAGS: [], contract.RATING_COUNT: 0}
        for row in items().to_pylist()
    ]
    assert anomalies("items", pa.Table.from_pylist(rows, schema=schemas.ITEMS)) == {}


@pytest.mark.parametrize(
    ("feature", "value", "reason"),
    [
        (contract.HISTORY_RATINGS, [4.0, 7.0], "Out-of-range values"),
        (contract.HISTORY_RATINGS, [4.0, 0.0], "Out-of-range values"),
        (contract.HISTORY_RATINGS, [4.0, np.nan], "Invalid values"),
        (contract.HISTORY_RATINGS, [], "Missing values"),
        (contract.HISTORY_ITEM_IDS, [], "Missing values"),
        (contract.HISTORY_TIMESTAMPS, [964982703000], "Out-of-range values"),
        (contract.HISTORY_TIMESTAMPS, [-1], "Out-of-range values"),
        (contract.TARGET_RATINGS, [7.0], "Out-of-range values"),
        (contract.TARGET_TIMESTAMPS, [964982703000], "Out-of-range values"),
        (contract.SLICE_HISTORY, "1000-", "Unexpected string values"),
        (contract.SLICE_COLD, "tepid", "Unexpected string values"),
    ],
)
def test_dirt_in_timelines_is_named(feature, value, reason):
    found = anomalies("timelines", with_value(timelines(contract.EVAL), feature, value))
    assert list(found) == [feature]
    assert any(reason in text for text in found[feature]), found


@pytest.mark.parametrize(
    ("feature", "value", "reason"),
    [
        (contract.YEAR, 3000, "Out-of-range values"),
        (contract.YEAR, -1, "Out-of-range values"),
        (contract.RATING_COUNT, -1, "Out-of-range values"),
        (contract.RATING_MEAN, 7.0, "Out-of-range values"),
        (contract.RATING_MEAN, np.nan, "Invalid values"),
        (contract.GENRES, ["x"] * 51, "Superfluous values"),
    ],
)
def test_dirt_in_items_is_named(feature, value, reason):
    found = anomalies("items", with_value(items(), feature, value))
    assert list(found) == [feature]
    assert any(reason in text for text in found[feature]), found


@pytest.mark.parametrize("feature", contract.ITEM_FEATURES)
def test_a_missing_item_feature_is_named(feature):
    assert feature in anomalies("items", items().drop_columns([feature]))


@pytest.mark.parametrize("split", contract.SPLITS)
@pytest.mark.parametrize("feature", contract.TIMELINE_FEATURES)
def test_a_missing_timeline_feature_is_named(feature, split):
    assert feature in anomalies("timelines", timelines(split).drop_columns([feature]))


def test_a_feature_that_no_schema_knows_is_named():
    assert anomalies("items", items().append_column("colour", pa.array([1] * 50))) == {
        "colour": ["New column"]
    }


@pytest.mark.parametrize(
    ("name", "expected"), [("timelines", contract.TIMELINE_FEATURES), ("items", contract.ITEM_FEATURES)]
)
def test_names_are_the_contracts(name, expected):
    assert tuple(feature.name for feature in schema_of(name).feature) == expected


def test_domains_are_the_contracts():
    by_name = {feature.name: feature for feature in schema_of("timelines").feature}
    ratings = by_name[contract.HISTORY_RATINGS].float_domain
    assert (ratings.min, ratings.max) == (contract.MIN_RATING, contract.MAX_RATING)
    assert by_name[contract.TARGET_RATINGS].float_domain.max == contract.MAX_RATING
    buckets = by_name[contract.SLICE_HISTORY].string_domain.value
    assert list(buckets) == ["", *(name for _, name in contract.HISTORY_BUCKETS)]
    assert list(by_name[contract.SLICE_COLD].string_domain.value) == ["", contract.COLD, contract.WARM]
