"""Raw interaction logs -> the `timelines` and `items` artifacts.

Read in this order: `places` (where data lie), `layouts` (which file and column means what), `text_blocks` and
`tables` (files to typed rows), `gather` with `log_store` (rows to sorted events on
disk) and `quarantine` (rows set aside), `splits`, `timelines` and `items` (events to
records, pure functions), `write` and `read` (records to TFRecord and back), `in_process` and
`beam` (all of it here, or on Beam's workers), `executor` and `component` (the TFX
step around them).
"""
