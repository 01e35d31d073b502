"""What is known of users beside their events: read, checked, aligned, and in every record of theirs."""

import numpy as np
import pytest

import contract
from components.common.features import FeatureSpec
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading import layouts, quarantine
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.records import schemas
from components.example_gen.records.splits import parts
from components.example_gen.records.timelines import records
from components.example_gen.sorting.gather import gather

SPECS = (
    FeatureSpec(name="country", kind="categorical", column="land"),
    FeatureSpec(name="likes", kind="multi"),
    FeatureSpec(name="age", kind="number"),
    FeatureSpec(name="says", kind="text"),
)
KNOBS = {
    "columns": {"user": "who", "item": "sku"},
    "users": "people.csv",
    "user_columns": {"user": "id"},
    "user_features": SPECS,
}
HEADER = "id,land,likes,age,says\n"
# c is in no event, b in no row of the table.
ROWS = "c,FR,,1,\na,DE, tea|tea |rum,30,Hello\n10,,,,\n"


@pytest.fixture
def gathered(tmp_path):
    def make(people: str = HEADER + ROWS, max_bad_share: float = 1.0, **knobs):
        (tmp_path / "log.csv").write_text(
            "who,sku\n" + "".join(f"{user},{item}\n" for user in ("b", "10", "a") for item in "xyzw")
        )
        (tmp_path / "people.csv").write_text(people)
        params = ExampleGenParams(**{**KNOBS, **knobs}, max_bad_share=max_bad_share)
        scratch = tmp_path / f"scratch-{max_bad_share}"
        scratch.mkdir()
        with Quarantine() as bad:
            return gather(layouts.detect(tmp_path, params), params, bad, scratch), bad, params

    return make


def test_profiles_stand_in_the_order_of_the_logs_users(gathered):
    data, _, _ = gathered()
    assert data.log.user_ids.to_pylist() == ["10", "a", "b"]
    assert data.users.schema == schemas.user_schema(SPECS)
    nothing = {"user_country": [], "user_likes": [], "user_age": [], "user_says": ""}
    assert data.users.to_pylist() == [
        nothing,
        {"user_country": ["DE"], "user_likes": ["tea", "rum"], "user_age": [30.0], "user_says": "Hello"},
        nothing,
    ]


@pytest.mark.parametrize("split", contract.SPLITS)
def test_every_record_has_its_own_users_profile(gathered, split):
    data, _, params = gathered()
    events = data.log.events(0, 3)
    table = records(events, parts(events, params), split, np.ones(4, bool), data.users)
    assert table.schema == schemas.timelines_schema(SPECS)
    assert dict(zip(*(table[name].to_pylist() for name in ("user_id", "user_age")), strict=True)) == {
        "10": [], "a": [30.0], "b": [],
    }  # fmt: skip
    # The first user left out: rows must not slide.
    some = data.log.events(1, 3)
    table = records(some, parts(some, params), split, np.ones(4, bool), data.users.slice(1, 2))
    assert table["user_country"].to_pylist() == [["DE"], []]


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        (",DE,,3,\n", quarantine.MISSING_ID, "id is '', expected an id"),
        ("d,DE,3\n", quarantine.WIDTH, "3 columns, expected 5 (id, land, likes, age, says)"),
    ],
)
def test_a_bad_row_is_set_aside_and_counted(gathered, row, kind, reason):
    data, bad, _ = gathered(HEADER + ROWS + row)
    (found,) = bad.first("users")
    assert (found.line, found.kind, found.reason) == (5, kind, reason)
    assert bad.rows_in["users"] == 4
    assert data.users["user_age"].to_pylist() == [[], [30.0], []]
    with pytest.raises(DataError, match=r"people\.csv, line 5: "):
        gathered(HEADER + ROWS + row, max_bad_share=0.1)


def test_a_user_twice_stops_at_once(gathered):
    with pytest.raises(
        DataError, match=r"people\.csv, line 5: id is 'a', expected an id that no earlier line"
    ):
        gathered(HEADER + ROWS + "a,DE,,,\n", max_bad_share=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": None}, "user_features needs users"),
        ({"user_columns": {}}, "users is given without user_columns"),
        ({"user_columns": {"name": "x"}}, "user_columns has the key 'name'"),
        ({"user_features": [SPECS[0], SPECS[0]]}, "user_features names country more than once"),
        ({"user_features": [{"name": "id", "kind": "text"}]}, "id is the name of something else"),
        ({"user_features": [{"name": "user", "kind": "text"}]}, "user is the name of something else"),
        (
            {"user_features": [{"name": "x", "kind": "multi", "taste": True}]},
            "tastes are in a feature of items",
        ),
    ],
)
def test_a_config_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ExampleGenParams.model_validate({**KNOBS, **change})
