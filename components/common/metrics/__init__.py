"""Metrics: one definition each, used by the evaluator, the trainer, the leaderboard and the benchmarks."""
