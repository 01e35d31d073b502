"""Towers and items into two retrieval SavedModels: ScaNN inside, and stock operations only."""
