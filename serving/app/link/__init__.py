"""The link to the model server: which version answers, what it carries, and calls to it."""
