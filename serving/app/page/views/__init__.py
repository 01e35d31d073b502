"""One file a view: its routes, and what its template reads."""
