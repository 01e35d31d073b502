"""Features of movies (TensorFlow Transform) and the curated schemas of both data sets."""
