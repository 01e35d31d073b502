"""Models fitted by TensorFlow."""
