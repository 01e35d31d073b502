import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import contract
from components.example_gen.records import read, schemas, write

TABLE = pa.Table.from_pylist(
    [
        {
            contract.ITEM_ID: str(i),
            contract.TITLE: "Été, the" if i else "",
            contract.YEAR: 1990 + i,
            contract.GENRES: [f"g{j}" for j in range(i % 3)],
            contract.TAGS: [],
            contract.RATING_COUNT: i,
            contract.RATING_MEAN: i / 2,
        }
        for i in range(10)
    ],
    schema=schemas.ITEMS,
)


def test_what_is_written_is_read_in_order_over_several_shards(tmp_path):
    folder = tmp_path / "Split-train"
    folder.mkdir()
    parts = write.shards(np.ones(10, np.int64), 4)
    for index, part in enumerate(parts):
        write.write_shard(str(folder), index, len(parts), TABLE[part])
    assert sorted(path.name for path in folder.iterdir()) == [
        f"data_tfrecord-0000{i}-of-00003.gz" for i in range(3)
    ]
    table = read.read_items(str(tmp_path))
    assert table.schema == schemas.ITEMS
    assert table.equals(TABLE.combine_chunks())


def test_the_same_table_gives_the_same_bytes():
    assert write.encode(TABLE) == write.encode(TABLE)


def test_records_are_plain_examples_with_every_feature_and_typed_empty_lists():
    example = tf.train.Example.FromString(write.encode(TABLE)[0])
    assert set(example.features.feature) == set(contract.ITEM_FEATURES)
    kinds = {name: feature.WhichOneof("kind") for name, feature in example.features.feature.items()}
    assert (kinds[contract.GENRES], kinds[contract.TAGS]) == ("bytes_list", "bytes_list")
    assert (kinds[contract.YEAR], kinds[contract.RATING_MEAN]) == ("int64_list", "float_list")
    spec = {
        contract.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        contract.GENRES: tf.io.RaggedFeature(tf.string),
    }
    parsed = tf.io.parse_example(write.encode(TABLE), spec)
    assert parsed[contract.ITEM_ID].numpy().tolist() == [str(i).encode() for i in range(10)]
    assert parsed[contract.GENRES].to_list()[2] == [b"g0", b"g1"]


def test_an_empty_table_has_no_examples():
    assert write.encode(schemas.ITEMS.empty_table()) == []


def test_a_record_without_a_single_valued_feature_is_an_error(tmp_path):
    folder = tmp_path / "Split-train"
    folder.mkdir()
    write.write_shard(str(folder), 0, 1, TABLE.drop_columns([contract.YEAR]))
    with pytest.raises(ValueError, match="year must have one value"):
        read.read_items(str(tmp_path))


def test_a_missing_split_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \*\.gz file in .*Split-train"):
        read.read_items(str(tmp_path))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 100))
def test_shards_cover_all_records_in_order_and_none_is_empty(sizes, shard_size):
    parts = write.shards(np.array(sizes), shard_size)
    covered = [i for part in parts for i in range(len(sizes))[part]]
    assert covered == list(range(len(sizes)))
    assert all(part.start < part.stop for part in parts)
    # A shard goes beyond its size by less than its last record.
    assert all(sum(sizes[part]) < shard_size + sizes[part.stop - 1] for part in parts)
