"""What runs in which order: wiring, no maths."""
