"""Sums over parts of the log."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

Sums = tuple[np.ndarray, ...]


class Add(beam.CombineFn):
    """Adds up tuples of arrays, each of one shape.

    Sums of stars do not depend on the order: a float32 of 0.5 or more is a multiple of
    2^-24, so float64 holds sums of up to 2^29 stars of one item exactly.
    """

    def create_accumulator(self) -> Sums:
        return ()

    def add_input(self, mutable_accumulator: Sums, element: Sums) -> Sums:
        if not mutable_accumulator:
            return element
        return tuple(a + b for a, b in zip(mutable_accumulator, element, strict=True))

    def merge_accumulators(self, accumulators: Iterable[Sums]) -> Sums:
        result: Sums = ()
        for sums in accumulators:
            if sums:
                result = self.add_input(result, sums)
        return result

    def extract_output(self, accumulator: Sums) -> Sums:
        return accumulator
