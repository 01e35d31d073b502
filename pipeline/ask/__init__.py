"""Questions to a model: from what a person types to rows of an answer."""
