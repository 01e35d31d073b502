"""Reads timelines and items, fits the model, exports it."""
