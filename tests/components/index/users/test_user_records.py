import pytest

import contract
from components.example_gen.records import read as examples
from components.index.params import IndexParams
from components.index.users import user_records


@pytest.fixture(scope="module")
def uri(artifacts):
    return artifacts.timelines


def test_users_that_the_model_keeps_are_read_whole(uri):
    found = user_records.read(uri, contract.SPLITS, IndexParams())
    assert found.everybody
    for split in contract.SPLITS:
        assert found.tables[split].equals(examples.read_timelines(uri, split))


def test_of_more_users_some_are_read_from_all_over(uri):
    found = user_records.read(uri, contract.SPLITS, IndexParams(max_known_users=5, recall_queries=16))
    assert not found.everybody
    for split in contract.SPLITS:
        whole = examples.read_timelines(uri, split)
        apart = len(whole) // 16
        got = found.tables[split]
        assert 16 <= len(got) < len(whole)
        assert (
            got.to_pylist() == whole.take([*range(0, len(whole), apart)]).select(got.column_names).to_pylist()
        )
