"""Whether data and behaviour are still those that the pushed model was fitted to."""
