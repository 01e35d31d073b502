"""The training loop: steps, checkpoints, workers, early stopping."""
