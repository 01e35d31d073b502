"""The running experiment: which variant a person is in, and what is stored of it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import structlog

from serving.app.background import Background
from serving.app.errors import AppError, BadRequestError, ConflictError, NotFoundError
from serving.app.link.snapshot import Snapshot
from serving.app.link.versions import Versions
from serving.app.results import ConfiguredExperiment, Experiment, NewExperiment, Recommendations, Variant
from serving.app.store.experiments import ExperimentStore

_log = structlog.get_logger(__name__)
# Seconds after which a start, stop or other weights are known in every process.
_REFRESH_S = 5.0


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A person's side of the running experiment."""

    experiment: str
    variant: str
    label: str


class Experiments:
    """At most one experiment runs at a time.

    Args:
      store: where it stands.
      versions: told which labels to follow.
      configured: what the settings say runs; None leaves it to admin calls.
    """

    def __init__(
        self, store: ExperimentStore, versions: Versions, configured: ConfiguredExperiment | None = None
    ) -> None:
        self.store = store
        self._versions = versions
        self._configured = configured
        self._running: Experiment | None = None
        self._background = Background()

    @property
    def running(self) -> Experiment | None:
        return self._running

    def assign(self, person: str) -> Assignment | None:
        """The person's variant; the same at every call while weights stay; None without an experiment."""
        if self._running is None:
            return None
        variant = choose(self._running.id, self._running.variants, person)
        return Assignment(self._running.id, variant.name, variant.label)

    def snapshot(self, person: str) -> Snapshot:
        """The version that answers this person. Raises NotReadyError where none is known yet."""
        assigned = self.assign(person)
        return self._versions.current(assigned.label if assigned else None)

    async def expose(self, assigned: Assignment | None, person: str, answer: Recommendations) -> None:
        """Stores that the answer was shown."""
        if assigned is not None:
            await self.store.expose(assigned.experiment, assigned.variant, person, answer)

    async def begin(self, new: NewExperiment) -> Experiment:
        """Starts an experiment.

        Raises:
          BadRequestError: the model server has no version of a variant's label.
          ConflictError: the id was taken before, or another experiment is running.
        """
        await self._check_labels(new)
        experiment = await self.store.start(new)
        await self.refresh()
        return experiment

    async def _check_labels(self, new: NewExperiment) -> None:
        """Raises BadRequestError where the model server has no version of a variant's label."""
        unknown = await self._versions.watch(_labels(self._running) | _labels(new))
        for place, variant in enumerate(new.variants):
            if variant.label in unknown:
                await self._versions.watch(_labels(self._running))
                raise BadRequestError(
                    f"variants.{place}.label",
                    f'the model server has no version with the label "{variant.label}" '
                    f"({unknown[variant.label]}); give a version this label first, or leave the label out "
                    "for the default version",
                )

    async def reweigh(self, id_: str, weights: Mapping[str, float]) -> Experiment:
        experiment = await self.store.reweigh(id_, weights)
        await self.refresh()
        return experiment

    async def end(self, id_: str) -> Experiment:
        experiment = await self.store.stop(id_)
        await self.refresh()
        return experiment

    async def refresh(self) -> None:
        """Reads which experiment runs; nobody is assigned before every variant has a version to answer."""
        running = await self.store.running()
        unknown = await self._versions.watch(_labels(running))
        if running is not None and unknown:
            _log.warning("experiment_waits_for_versions", experiment=running.id, problems=unknown)
            running = None
        self._running = running

    async def start(self) -> None:
        await self._round()
        self._background.start(self._round, _REFRESH_S)

    async def stop(self) -> None:
        await self._background.stop()

    async def _round(self) -> None:
        wanted = self._configured
        if wanted is not None:
            try:
                await self._configure(wanted)
                self._configured = None
            except (BadRequestError, ConflictError) as error:
                # A variant without a version, or another process that is faster: the next round may do.
                _log.warning("experiment_of_the_settings_waits", experiment=wanted.id,
                             problem=error.detail)  # fmt: skip
            except AppError as error:
                _log.error("experiment_of_the_settings_refused", experiment=wanted.id,
                           problem=error.detail)  # fmt: skip
                self._configured = None
        await self.refresh()

    async def _configure(self, wanted: ConfiguredExperiment) -> None:
        """Brings about what the settings say.

        Raises:
          BadRequestError, ConflictError: as `begin`.
          NotFoundError: the experiment runs with other variants.
        """
        known = {experiment.id: experiment for experiment in await self.store.all()}
        before = known.get(wanted.id)
        if before is None and wanted.running:
            await self._check_labels(wanted)
            for other in known.values():
                if other.stopped is None:
                    await self.end(other.id)
            await self.begin(NewExperiment(id=wanted.id, variants=wanted.variants))
        elif before is not None and before.stopped is not None and wanted.running:
            _log.warning("experiment_was_stopped", experiment=wanted.id, advice="give a new one another id")
        elif before is not None and before.stopped is None and not wanted.running:
            await self.end(wanted.id)
        elif before is not None and before.stopped is None:
            asked, runs = ({one.name: one.label for one in each.variants} for each in (wanted, before))
            if asked != runs:
                raise NotFoundError(
                    f"it runs with the variants (and labels) {runs}, and the settings say {asked}; an "
                    "experiment keeps its variants: stop it, and give the new one another id"
                )
            weights = {variant.name: variant.weight for variant in wanted.variants}
            if weights != {variant.name: variant.weight for variant in before.variants}:
                await self.reweigh(wanted.id, weights)


def _labels(experiment: NewExperiment | None) -> set[str]:
    variants = experiment.variants if experiment else ()
    return {variant.label for variant in variants if variant.label}


def choose(experiment: str, variants: Sequence[Variant], person: str) -> Variant:
    """The variant of a person: a hash of experiment and person, laid on the weights end to end."""
    digest = hashlib.sha256(f"{experiment}\0{person}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64 * sum(variant.weight for variant in variants)
    for variant in variants[:-1]:
        place -= variant.weight
        if place < 0:
            return variant
    return variants[-1]
