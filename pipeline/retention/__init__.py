"""What old runs leave behind, and what of it goes."""
