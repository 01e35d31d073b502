"""What a refresh would change in the catalogue of the last pushed version, and whether it may."""
