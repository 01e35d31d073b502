"""Reads timelines and movies, fits the two towers, exports them."""
