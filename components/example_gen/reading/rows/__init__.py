"""What a row must be, which rows are left out, and what an event's weight says."""
