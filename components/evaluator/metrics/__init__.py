"""Ranking and rating metrics: definitions, sums over users, inside TFMA."""
