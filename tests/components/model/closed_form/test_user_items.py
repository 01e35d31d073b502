from __future__ import annotations

import numpy as np

from components.model.closed_form import user_items

# Three users: items 2, 0, 2; none; 3 (beyond the vocabulary) and 1.
ITEMS, OFFSETS = np.array([2, 0, 2, 3, 1]), np.array([0, 3, 3, 5])


def test_what_was_watched_however_often():
    got = user_items.watched(ITEMS, OFFSETS, 3)
    np.testing.assert_array_equal(got.toarray(), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_ratings_of_the_same_item_are_averaged():
    got = user_items.mean_ratings(ITEMS, np.array([2.0, 0.5, 5.0, 1.0, 4.0]), OFFSETS, 3)
    np.testing.assert_array_equal(got.toarray(), [[0.5, 0, 3.5], [0, 0, 0], [0, 4.0, 0]])
    assert got.nnz == 3
