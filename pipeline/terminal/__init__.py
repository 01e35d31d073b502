"""Text for people: tables, lines, progress."""
