"""The two-tower among what people use: every model on one split, by one evaluator.

Read in this order: `split` (what a model gets), `model` (what a model is), `protocols`
(files to splits, by the readers of example_gen), `ranking` and `rating_errors` (the
metrics), `models` (one family per file), `tuning` (the same budget of trials for each),
`comparison` (paired bootstrap), `run` and `report` (all of it).
"""
