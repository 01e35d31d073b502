"""Models fitted by gradient: towers, losses, rating head."""
