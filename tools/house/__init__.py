"""`make house`: the state of the source tree in figures, each held against a bound.

`python -m tools.house` prints a table, writes `artifacts/house.json` and ends with 1 if a bound is
broken; `--quick`, of which `make lint` makes use, measures what a commit may not break.
"""
