"""The passes one after the other, and what is decided between them."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable

import apache_beam as beam
import numpy as np
import pyarrow as pa
from absl import logging

import contract
from components.common import ragged, storage
from components.example_gen.beam import files, parts, reading, sorting, spans, writing
from components.example_gen.beam.job import Job
from components.example_gen.beam.parts import Part, Parts
from components.example_gen.errors import DataError
from components.example_gen.params import ExampleGenParams
from components.example_gen.reading.places import Place
from components.example_gen.reading.quarantine import DUPLICATE, Quarantine
from components.example_gen.reading.source import TIME, Dataset
from components.example_gen.records.read import split_uri
from components.example_gen.records.write import shards
from components.example_gen.sorting import log_store
from components.example_gen.sorting.codes import id_order
from components.example_gen.sorting.gather import (
    RATINGS,
    Gathered,
    count_core,
    gather_with,
    has_core,
    require_rows,
)
from components.example_gen.sorting.totals import Totals

ENGINE = "example_gen.engine"
_LOCAL = f"set {ENGINE}=local"
SPAN_BYTES = 64 << 20  # what a worker reads at once of a file that can be cut
MAX_PARTITIONS = 64  # workers that count ids at once
# Buckets to sort, for as many workers, if there are so many rows.
BUCKETS = 64
LEAST_BUCKET_ROWS = 50_000


class Workers:
    """Runs ExampleGen's work on the workers of a Beam runner.

    Args:
      make_pipeline: a new Beam pipeline on that runner, for each pass.
      work: an empty folder, a path or URL, that all workers see; the caller removes it.
    """

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline], work: str) -> None:
        self._make_pipeline = make_pipeline
        self._work = work
        self._job: Job | None = None

    def gather(self, dataset: Dataset, params: ExampleGenParams, bad: Quarantine) -> Gathered[Parts]:
        """As `gather.gather`. The tables of items, tags and users are read in this process.

        Raises:
          DataError: as `gather.gather`.
        """
        return gather_with(self.read_events, dataset, params, bad)

    def read_events(
        self,
        dataset: Dataset,
        params: ExampleGenParams,
        known: pa.StringArray | None,
        bad: Quarantine,
        left_out: collections.Counter[str],
    ) -> tuple[Parts, np.ndarray]:
        """`gather.ReadEvents` on workers."""
        job = Job(dataset, params, self._work, catalogue=known is not None)
        sources, item_ids = self._read(job, known, bad, left_out)
        found = self._sort(job, sources)
        # Exact duplicates first, as one bucket has them.
        for exact in (True, False):
            for row in itertools.chain.from_iterable(part.bad for part in found):
                if (row.kind == DUPLICATE) is exact:
                    bad.add(row)
        for part in found:
            left_out.update(part.left_out)
        bad.require_share(RATINGS, params.max_bad_share)
        name, stay = sorting.SORTED, np.ones(len(item_ids), bool)
        if has_core(params) and found:
            name, before = sorting.CORE, sum(part.events for part in found)
            job, stay, found = self._core(job, found, item_ids)
            count_core(before - sum(part.events for part in found), left_out)
        self._job = job
        return _parts(job, found, item_ids.filter(pa.array(stay)), name), stay

    def totals(self, log: Parts, params: ExampleGenParams) -> Totals:
        """As `totals.totals`; the workers have found them in making the parts."""
        return log.totals

    def write(self, uri: str, data: Gathered[Parts], known: Totals, params: ExampleGenParams) -> None:
        """Writes the shards of `timelines`.

        Args:
          uri: of the artifact.
        """
        job, log = self._job, data.log
        assert job is not None
        files.write_array(job.path(writing.SEEN), known.seen, job.work)
        if params.user_features:
            parts.save_profiles(log, data.users, job.work)
        todo: list[writing.Shard] = []
        for split in contract.SPLITS:
            users, folder = known.users(split), split_uri(uri, split)
            cut = shards(known.sizes(split), params.events_per_shard)
            storage.make_folder(folder)
            for number, part in enumerate(cut):
                pieces = log.pieces(int(users[part][0]), int(users[part][-1]) + 1)
                todo.append((folder, number, len(cut), split, pieces))
        temporary = storage.join(uri, "temporary")
        with self._make_pipeline() as pipeline:
            writing.build(pipeline, job, todo, temporary)
        storage.remove_tree(temporary)

    def _read(
        self,
        job: Job,
        known: pa.StringArray | None,
        bad: Quarantine,
        left_out: collections.Counter[str],
    ) -> tuple[list[tuple[str, int]], pa.StringArray]:
        """Reads all spans; returns what `sorting.build` takes, and string[M]: all items."""
        if known is not None:
            files.write_ids(job.path(job.items_file), known, job.work)
        whole, pieces = spans.plan(job.dataset.ratings, SPAN_BYTES)
        partitions = min(MAX_PARTITIONS, len(whole) + len(pieces))
        logging.info("reading: %d files, %d pieces", len(job.dataset.ratings.files), len(whole) + len(pieces))
        with self._make_pipeline() as pipeline:
            reading.build(pipeline, job, whole, pieces, partitions)
        sources, read = [], set()
        for span in files.results(job.work, reading.READ):
            read.add(span.file)
            _require_seen(job.dataset.ratings.files[span.file], span)
            # Without times the order of the rows counts, so a span's begin after those before it.
            sources.append((span.rows, 0 if TIME in job.dataset.ratings.columns else bad.rows_in[RATINGS]))
            bad.count(RATINGS, span.rows_in)
            for row in span.bad:
                bad.add(row)
            left_out.update(span.left_out)
            if span.error is not None:
                raise DataError(*span.error)
            bad.require_hope(RATINGS, job.params.max_bad_share)
        if len(read) < len(job.dataset.ratings.files):
            raise DataError(
                ENGINE,
                f"what Beam's workers wrote into {job.work} is not there for this process; expected a folder "
                f"that all of them see: give artifacts (or example_gen.scratch) on one, or {_LOCAL}",
            )
        require_rows(job.dataset, bad)
        if known is None:
            ids, _ = reading.counted(job, reading.ITEMS)
            known = ids.take(id_order(ids))
            files.write_ids(job.path(job.items_file), known, job.work)
        return sources, known

    def _sort(self, job: Job, sources: list[tuple[str, int]]) -> list[Part]:
        """Deals all rows to buckets and sorts these."""
        ids, counts = reading.counted(job, reading.USERS)
        order = id_order(ids).to_numpy()
        ids, counts = ids.take(pa.array(order)), counts[order]
        rows = min(job.params.buffer_rows, max(LEAST_BUCKET_ROWS, int(counts.sum()) // BUCKETS))
        bucket_of = log_store.buckets_of(counts, rows)
        firsts = np.flatnonzero(np.diff(bucket_of)) + 1
        files.write_ids(job.path(sorting.SPLITTERS), ids.take(pa.array(firsts)), job.work)
        logging.info("sorting: %d rows of %d users, %d buckets", counts.sum(), len(ids), len(firsts) + 1)
        with self._make_pipeline() as pipeline:
            sorting.build(pipeline, job, sources)
        return list(files.results(job.work, sorting.SORTED))

    def _core(
        self, job: Job, found: list[Part], item_ids: pa.StringArray
    ) -> tuple[Job, np.ndarray, list[Part]]:
        """The k-core: the workers' next orders, bool[M] which items stay, and the parts."""
        folders = [part.folder for part in found]
        stay = np.ones(len(item_ids), bool)
        for number in itertools.count():
            round_ = f"{sorting.CORE}-{number}"
            files.write_array(job.path(round_), stay, job.work)
            # Every user left has enough; so it is the core once every item has, too.
            if not job.params.min_ratings_per_item:
                break
            with self._make_pipeline() as pipeline:
                sorting.build_count(pipeline, job, folders, round_)
            (per_item,) = sorting.sums_of(job, round_)
            left = stay & (per_item >= job.params.min_ratings_per_item)
            if (left == stay).all():
                break
            stay = left
        logging.info("k-core: %d rounds, %d of %d items stay", number + 1, stay.sum(), len(stay))
        chosen = dataclasses.replace(job, items_file=f"{job.items_file}-{sorting.CORE}")
        files.write_ids(chosen.path(chosen.items_file), item_ids.filter(pa.array(stay)), job.work)
        with self._make_pipeline() as pipeline:
            sorting.build_select(pipeline, job, list(enumerate(folders)), round_, chosen)
        return chosen, stay, list(files.results(job.work, sorting.CORE))


def _require_seen(path: Place, span: reading.SpanRead) -> None:
    """Stops where a worker does not see a file that is there.

    Raises:
      DataError: so it is.
    """
    if path.is_file() and not span.found:
        raise DataError(
            ENGINE,
            f"Beam's workers do not see {path}, which this process does; expected data on a file system that "
            f"they mount under the same path; or {_LOCAL}",
        )


def _parts(job: Job, found: list[Part], item_ids: pa.StringArray, name: str) -> Parts:
    """The log of which these are the parts."""
    users = [parts.users_of(part.folder) for part in found]
    ids = [ids for ids, _ in users]
    counts = [counts for _, counts in users]
    count, stars = sorting.sums_of(job, name) or (np.zeros(len(item_ids), np.int64), np.zeros(len(item_ids)))
    return Parts(
        pa.concat_arrays(ids) if ids else pa.array([], pa.string()),
        ragged.offsets_of(np.concatenate([np.zeros(0, np.int64), *counts])),
        item_ids,
        tuple(part.folder for part in found),
        ragged.offsets_of(np.array([len(some) for some in ids], np.int64)),
        Totals.together([part.totals for part in found if part.totals], count, stars),
    )
