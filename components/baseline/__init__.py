"""Which model a candidate is compared with: the last one pushed."""
