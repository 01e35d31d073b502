"""Commands that look at what runs have left behind, and at the machine."""
