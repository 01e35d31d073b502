"""Plots as SVG, each with the same in words."""
