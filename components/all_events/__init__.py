"""Every event that is known, as the train split of a final fit."""
