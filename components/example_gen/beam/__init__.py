"""ExampleGen on the workers of a Beam runner: the same set of records, by the same functions.

Two Beam pipelines, and one more per round of a k-core:

  gather  spans of files -> checked rows -> partitions by a hash of the user (GroupByKey)
          -> a sorted log per partition, counts per item          (`spans`, `reading`, `partitions`)
  write   a partition's log -> a shard of each split in which its users have a record

Rows pass between workers in the GroupByKey alone; spans' rows and sorted logs are files in
a work folder that all workers see. In between the driver's process has some numbers per user
and item in memory, and never a row (`engine`).
"""
