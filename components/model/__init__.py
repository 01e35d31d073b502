"""Towers, losses, rating head, user features: TensorFlow and TFRS only."""
