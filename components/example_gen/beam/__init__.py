"""ExampleGen on the workers of a Beam runner: the same functions, over parts of the data.

Each pass is a Beam pipeline. Its elements are small (a span of a file, a part of the
log, a shard); rows go between workers as blocks through one GroupByKey, everything
else through files in a work folder that all workers see:

  read   spans of files -> checked rows, ids numbered within the span   (`spans`, `reading`)
  sort   rows, dealt to buckets of whole consecutive users -> parts     (`sorting`)
  core   parts -> counts per item, again until the k-core stands, then parts without the rest
  write  parts -> shards                                                (`writing`)

In between the driver's process has one number or id per user and item in memory, and
never a row (`engine`).
"""
