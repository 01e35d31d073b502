"""Publishes an accepted model, both kinds under one version, for the servers to pick up."""
