"""MovieLens in every edition, fetched and checked."""
