"""Histories of users at the time of the build, and timelines as requests."""
