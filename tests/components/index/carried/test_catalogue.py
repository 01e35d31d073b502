from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import contract
from components.index.carried import catalogue
from components.index.users.histories import dense, known_histories


def test_rows_are_in_the_order_of_popularity_whatever_the_order_of_the_files(fake):
    items = fake.make_items(200)
    shuffled = items.take(pa.array(np.random.default_rng(1).permutation(200)))
    made = catalogue.from_items(shuffled)
    assert made.ids.tolist() == catalogue.from_items(items).ids.tolist()
    order = sorted(
        zip(items[contract.RATING_COUNT].to_pylist(), items[contract.ITEM_ID].to_pylist(), strict=True),
        key=lambda pair: (-pair[0], pair[1]),
    )
    assert [item.decode() for item in made.ids] == [item for _, item in order]
    counts = made.rating_counts + 1
    np.testing.assert_allclose(made.shares, counts / counts.sum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: pa.concat_tables([t, t.slice(3, 1)]), "1 item ids come more than once, first '19'"),
        (lambda t: t.slice(0, 0), "no item to index"),
        (lambda t: t.drop_columns([contract.GENRES]), r"lack the columns \['genres'\]"),
        (
            lambda t: t.set_column(0, contract.ITEM_ID, pc.replace_substring(t[contract.ITEM_ID], "10", "")),
            "empty string as its id",
        ),
    ],
)
def test_items_that_make_no_index_are_refused(fake, change, message):
    with pytest.raises(catalogue.CatalogueError, match=message):
        catalogue.from_items(change(fake.make_items(8)))


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "not finite"), (np.inf, "not finite"), (0.0, "not a unit vector"), (3.0, "not a unit vector")],
)
def test_broken_embeddings_are_refused(fake, value, message):
    vectors = fake.make_vectors(5, 4)
    vectors[2] = value
    ids = np.array([b"a", b"b", b"c", b"d", b"e"], dtype=object)
    with pytest.raises(catalogue.CatalogueError, match=f"1 of 5 items .* {message}") as error:
        catalogue.check_embeddings(ids, vectors)
    assert "'c'" in str(error.value)


def test_items_are_embedded_block_by_block(fake, tmp_path):
    items, vectors = fake.make_items(50), fake.make_vectors(50, 8)
    towers = fake.FakeTowers(items[contract.ITEM_ID].to_pylist(), vectors, tmp_path / "items.txt")
    made = catalogue.from_items(items)
    one = catalogue.embed(made, towers.embed_item, block=1000)
    done: list[int] = []
    many = catalogue.embed(made, towers.embed_item, block=7, progress=done.append)
    assert (one == many).all() and done == [*range(7, 50, 7), 50]
    position = items[contract.ITEM_ID].to_pylist().index(made.ids[10].decode())
    np.testing.assert_allclose(one[10], vectors[position], rtol=1e-6)


def test_a_users_history_is_the_longest_known_and_no_target(fake):
    items = fake.make_items(100)
    timelines = fake.make_timelines(items, 20)
    # One that no catalogue knows.
    made = catalogue.from_items(items.slice(1))
    gone = items[contract.ITEM_ID][0].as_py()
    histories = known_histories(timelines, made)
    wanted = {}
    for split in contract.SPLITS:  # the later cut overwrites
        for row in timelines[split].to_pylist():
            wanted[row[contract.USER_ID]] = row
    assert sorted(user.decode() for user in histories.user_ids) == sorted(wanted)
    batch = dense(histories, np.arange(len(histories)), made.ids, newest=10_000)
    for user, ids, stars, times in zip(
        histories.user_ids, *(batch[name] for name in contract.HISTORY_FEATURES), strict=True
    ):
        row = wanted[user.decode()]
        kept = [i for i, item in enumerate(row[contract.HISTORY_ITEM_IDS]) if item != gone]
        assert [m.decode() for m in ids if m] == [row[contract.HISTORY_ITEM_IDS][i] for i in kept]
        assert stars[: len(kept)].tolist() == [row[contract.HISTORY_RATINGS][i] for i in kept]
        assert times[: len(kept)].tolist() == [row[contract.HISTORY_TIMESTAMPS][i] for i in kept]
    newest = dense(histories, np.array([0]), made.ids, newest=2)
    assert newest[contract.HISTORY_ITEM_IDS].shape[1] <= 2
