"""The application and what it has stored."""
