"""Texts of numbers and times -> numbers, each with what is wrong with it."""
