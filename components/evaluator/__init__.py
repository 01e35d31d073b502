"""What a model is worth on the test split, and whether that is enough to ship it."""
