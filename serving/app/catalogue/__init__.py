"""One version's items in memory: lookup, filters, search."""
