"""The map: every item once, the same each time, near each other what is alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import contract
from components.index.carried.item_map import item_map


def _groups(count: int, groups: int, dimension: int = 16) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Ids, unit vectors around as many centres, and the group of each."""
    rng = np.random.default_rng(7)
    group = np.arange(count) % groups
    vectors = rng.normal(size=(groups, dimension))[group] + 0.3 * rng.normal(size=(count, dimension))
    ids = pa.array([f"item-{number}" for number in range(count)])
    return ids, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), group


def _places(table) -> np.ndarray:
    return np.stack([table[contract.MAP_X].to_numpy(), table[contract.MAP_Y].to_numpy()], axis=1)


def test_neighbours_on_the_map_are_neighbours_in_the_model():
    ids, vectors, group = _groups(400, 8)
    table = item_map(ids, vectors, 1000)
    assert table[contract.ITEM_ID].to_pylist() == ids.to_pylist()
    places = _places(table)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :10]
    assert (group[nearest] == group[:, None]).mean() > 0.95
    # The central 98 % fill the square.
    assert np.abs(np.percentile(places, [1, 99], axis=0)).max() == pytest.approx(1.0, abs=0.05)


def test_the_same_vectors_give_the_same_map():
    ids, vectors, _ = _groups(200, 5)
    assert item_map(ids, vectors, 1000).equals(item_map(ids, vectors, 1000))


def test_the_most_rated_items_alone_where_there_are_more():
    ids, vectors, _ = _groups(200, 5)
    assert item_map(ids, vectors, 12)[contract.ITEM_ID].to_pylist() == ids.to_pylist()[:12]
    assert item_map(ids, vectors, 0).num_rows == 0


@pytest.mark.parametrize("count", [1, 2, 3, 79])
def test_a_few_items_have_finite_places(count):
    ids, vectors, _ = _groups(count, 3)
    places = _places(item_map(ids, vectors, 1000))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_items_that_are_all_alike_have_finite_places():
    ids, vectors, _ = _groups(100, 1)
    places = _places(item_map(ids, np.repeat(vectors[:1], 100, axis=0), 1000))
    assert np.isfinite(places).all()
