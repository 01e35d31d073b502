"""The data's own scale of ratings, and the artifacts' stars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contract
from contract.rating_scale import RatingScale


@pytest.mark.parametrize(
    ("scale", "rating", "stars"), [((1, 10), 10, 5), ((1, 10), 1, 0.5), ((0, 100), 50, 2.75)]
)
def test_a_scale_is_mapped_evenly(scale, rating, stars):
    assert RatingScale(*scale).stars(rating) == pytest.approx(stars)


@given(st.floats(-100, 100), st.floats(0.01, 1000), st.floats(0, 1))
def test_there_and_back(low, width, share):
    scale = RatingScale(low, low + width)
    rating = low + share * width
    assert scale.rating(scale.stars(rating)) == pytest.approx(rating, abs=1e-6 * max(1, abs(low)))


@given(st.floats(-100, 100), st.floats(0.01, 1000))
def test_the_ends_are_the_ends_to_the_bit(low, width):
    scale = RatingScale(low, low + width)
    assert [scale.stars(scale.low), scale.stars(scale.high)] == [contract.MIN_RATING, contract.MAX_RATING]
    ends = [scale.rating(contract.MIN_RATING), scale.rating(contract.MAX_RATING)]
    assert ends == [scale.low, scale.high]


def test_stars_stay_to_the_bit():
    ratings = np.array([0.5, 3.3, 5], np.float32)
    stars = RatingScale(contract.MIN_RATING, contract.MAX_RATING)
    assert stars.in_stars and stars.stars(ratings) is stars.rating(ratings) is ratings
