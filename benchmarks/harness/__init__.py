"""What several benchmarks share: engines, load, servers to compare with."""
