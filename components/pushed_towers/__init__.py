"""The towers of a pushed version, for a model of the same towers and another catalogue."""
