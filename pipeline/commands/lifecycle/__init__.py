"""Commands that say what is kept and what is deleted."""
