"""Reads timelines and movies, fits the model, exports it."""
