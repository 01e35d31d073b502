"""Raw interaction logs -> the `timelines` and `movies` artifacts.

Read in this order: `movielens` (files to tables), `timelines` and `movies`
(tables to records, pure functions), `write` and `read` (records to TFRecord
and back), `executor` and `component` (the TFX step around them).
"""
