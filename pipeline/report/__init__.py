"""The report of a run: gathered into one JSON document, shown as one HTML file."""
