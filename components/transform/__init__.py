"""Features of items (TensorFlow Transform) and the curated schemas of both data sets."""
