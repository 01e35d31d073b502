"""The passes one after the other, and what is decided between them."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from absl import logging

import contract
from components.common import storage
from components.common.ragged import offsets_of
from components.example_gen.beam import partitions, reading, spans, writing
from components.example_gen.beam.job import Job
from components.example_gen.beam.partitions import SORTED, STAY, load_partition
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.quarantine import Quarantine
from components.example_gen.reading.source import Dataset
from components.example_gen.records.read import split_uri
from components.example_gen.records.write import shard_path
from components.example_gen.sorting.codes import id_order
from components.example_gen.sorting.gather import (
    RATINGS,
    Gathered,
    count_core,
    gather_with,
    has_core,
    require_rows,
)
from components.example_gen.sorting.log_store import Index
from components.example_gen.sorting.totals import Totals

SPAN_BYTES = 64 << 20  # what a worker reads at once of a file that can be cut
_COUNTS = "counts"


@dataclasses.dataclass(frozen=True)
class PartitionedLog(Index):
    """A log in partitions; its users have the order of these, and any order within one.

    Attributes:
      job, stage: the stage whose workers left them.
      keys: of the partitions.
      starts: int64[partitions + 1]: partition p has the users starts[p]:starts[p + 1].
      totals: of all.
    """

    job: Job
    stage: str
    keys: list[str]
    starts: np.ndarray
    totals: Totals


class Workers:
    """Runs ExampleGen's work on the workers of a Beam runner.

    Args:
      make_pipeline: a new Beam pipeline on that runner, for each pass.
      work: an empty folder, a path or URL, that all workers see; the caller removes it.
    """

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline], work: str) -> None:
        self._make_pipeline = make_pipeline
        self._work = work

    def gather(self, dataset: Dataset, params: ExampleGenParams, bad: Quarantine) -> Gathered[PartitionedLog]:
        """As `gather.gather`. The tables of items, tags and users are read in this process.

        Raises:
          DataError: as `gather.gather`, or workers do not see the data or the work folder. Where too many
            rows repeat others, the message may show other ones of them.
        """
        return gather_with(self._read_events, dataset, params, bad)

    def totals(self, data: Gathered[PartitionedLog], params: ExampleGenParams) -> Totals:
        """As `totals.totals`; the workers have found them in sorting."""
        return data.log.totals

    def write(
        self, uri: str, data: Gathered[PartitionedLog], known: Totals, params: ExampleGenParams
    ) -> None:
        """Writes the shards of `timelines`, one per partition and split.

        Args:
          uri: of the artifact.
        """
        log, job = data.log, data.log.job
        job.save_ids(log.item_ids.filter(pa.array(known.seen)), writing.SEEN)
        files: dict[int, dict[str, str]] = collections.defaultdict(dict)
        for split in contract.SPLITS:
            storage.make_folder(split_uri(uri, split))
            present = np.unique(np.searchsorted(log.starts, known.users(split), side="right") - 1).tolist()
            for index, partition in enumerate(present):
                files[partition][split] = shard_path(split_uri(uri, split), index, len(present))
        if params.user_features:
            for key, first, last in zip(log.keys, log.starts[:-1], log.starts[1:], strict=True):
                # A slice would be saved with all of the table.
                job.save(data.users.take(pa.array(np.arange(first, last))), writing.PROFILES, key)
        shards = [(log.keys[partition], paths) for partition, paths in files.items()]
        temporary = storage.join(uri, "temporary")
        with self._make_pipeline() as pipeline:
            _ = (
                pipeline
                | "Partitions" >> beam.Create(shards)
                | "Write" >> beam.Map(writing.write, job, log.stage, temporary)
            )
        storage.remove_tree(temporary)

    def _read_events(
        self,
        dataset: Dataset,
        params: ExampleGenParams,
        known: pa.StringArray | None,
        bad: Quarantine,
        left_out: collections.Counter[str],
    ) -> tuple[PartitionedLog, np.ndarray]:
        """`gather.ReadEvents` on workers."""
        job = Job(dataset, params, self._work, items_known=known is not None)
        job.save_ids(pa.array([], pa.string()) if known is None else known, reading.CATALOGUE)
        add_items = known is None or params.unknown_items == "keep"
        with self._make_pipeline() as pipeline:
            _build(pipeline, job, add_items=add_items)
        reading.replay(job, bad, left_out)
        require_rows(dataset, bad)
        keys, counts = storage.list_names(job.path(SORTED)), job.load(_COUNTS, SORTED)
        ids = counts["item"].combine_chunks()
        item_ids = ids.take(id_order(ids)) if add_items or known is None else known
        for key in keys:
            found = load_partition(job, SORTED, key)
            for row in found.bad:
                bad.add(row)
            left_out.update(found.left_out)
        bad.require_share(RATINGS, params)
        stage, stay = SORTED, np.ones(len(item_ids), bool)
        if has_core(params):
            before = np.sum(counts["events"])
            stage, counts = self._core(job, keys, counts)
            count_core(int(before - np.sum(counts["events"])), left_out)
            if params.min_ratings_per_item:
                stay = partitions.is_in(item_ids, counts["item"].combine_chunks())
        return _log(job, stage, keys, item_ids.filter(pa.array(stay)), counts), stay

    def _core(self, job: Job, keys: list[str], counts: pa.Table) -> tuple[str, pa.Table]:
        """The k-core: the stage whose workers left it, and the counts of its items."""
        least, before = job.params.min_ratings_per_item, SORTED
        for number in itertools.count():
            stay = counts.filter(pc.greater_equal(counts["events"], least))["item"].combine_chunks()
            stage = f"core-{number}"
            job.save_ids(stay, STAY, stage)
            with self._make_pipeline() as pipeline:
                selected = (
                    pipeline
                    | "Partitions" >> beam.Create(keys)
                    | "Select" >> beam.Map(partitions.select, job, before, stage)
                )
                _save_counts(selected, job, stage)
            before, counts = stage, job.load(_COUNTS, stage)
            # Every user left has enough; so it is the core once every item has, too.
            if pc.all(pc.greater_equal(counts["events"], least)).as_py() is not False:
                break
        logging.info("k-core: %d rounds, %d items stay", number + 1, len(stay))
        return stage, counts


def _build(pipeline: beam.Pipeline, job: Job, add_items: bool) -> None:
    """Reads and sorts; see the package.

    Args:
      add_items: whether items are those that come.
    """
    whole, pieces = spans.plan(job.dataset, SPAN_BYTES)
    counted = (
        pipeline
        | "Pieces" >> beam.Create(pieces)
        | "Count lines" >> beam.Map(spans.count, job.dataset)
        | "By file" >> beam.GroupByKey()
        | "Cut" >> beam.FlatMap(spans.cut)
    )
    read = (
        ((pipeline | "Whole" >> beam.Create(whole)), counted)
        | "Spans" >> beam.Flatten()
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.Map(reading.read, job)
    )
    found = read | "All spans" >> beam.combiners.ToList()
    if job.params.window is not None:
        within = beam.Map(reading.within, job, beam.pvalue.AsSingleton(found))
        read = read | "Within the window" >> within
        found = read | "All within" >> beam.combiners.ToList()
    _ = found | "Keep spans" >> beam.Map(reading.keep_spans, job)
    counts = (
        read
        | "Deal" >> beam.FlatMap(reading.deal, job, beam.pvalue.AsSingleton(found))
        | "By partition" >> beam.GroupByKey()
        | "Sort" >> beam.Map(partitions.sort, job)
    )
    if add_items:
        items = read | "Items" >> beam.Map(reading.items, job) | "Uncounted" >> beam.Map(partitions.uncounted)
        counts = (counts, items) | "With items" >> beam.Flatten()
    _save_counts(counts, job, SORTED)


def _save_counts(counts: beam.PCollection, job: Job, stage: str) -> None:
    """Adds up a stage's counts per item.

    Whole tables are combined: an element per item and partition would cost Beam more than all the rest.
    """
    _ = (
        counts
        | "Add up" >> beam.CombineGlobally(partitions.add_up)
        | "Keep counts" >> beam.Map(job.save, _COUNTS, stage)
    )


def _log(job: Job, stage: str, keys: list[str], item_ids: pa.StringArray, counts: pa.Table) -> PartitionedLog:
    """The log that a stage's workers left."""
    found = [load_partition(job, stage, key) for key in keys]
    ids = [each.log.user_ids for each in found]
    events = [np.diff(each.log.offsets) for each in found]
    row = pc.index_in(item_ids, counts["item"].combine_chunks())
    count, stars = (pc.fill_null(counts[key].take(row), 0).to_numpy() for key in ("train_count", "train_sum"))
    return PartitionedLog(
        pa.concat_arrays([pa.array([], pa.string()), *ids]),
        offsets_of(np.concatenate([np.zeros(0, np.int64), *events])),
        item_ids,
        job,
        stage,
        keys,
        offsets_of(np.array([len(each) for each in ids], np.int64)),
        Totals.together([each.totals for each in found], count, stars),
    )
