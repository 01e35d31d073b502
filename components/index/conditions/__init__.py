"""What a request allows: limits, filters, conditions, described items."""
