"""The API: routes below /v1, health, their errors."""
