"""Generated data sets: no real person is in them."""
