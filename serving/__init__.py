"""What answers requests. Runs where TFX and Beam are not installed."""
