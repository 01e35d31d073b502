"""What training reads: events, catalogue, profiles."""
