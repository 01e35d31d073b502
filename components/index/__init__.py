"""Towers and movies into two retrieval SavedModels: ScaNN inside, and stock operations only."""
