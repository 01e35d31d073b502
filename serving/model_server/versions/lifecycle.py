"""One configured model, the states of its versions, and what to do next."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import logging
import time
from collections.abc import Mapping
from typing import Any

from serving.model_server.versions.servables import State, VersionStatus
from serving.protocol.errors import Code, StatusError

_log = logging.getLogger(__name__)

# Seconds after which a condition that lasts is mentioned again.
REMIND_S = 60.0


class FatalVersionError(StatusError):
    """A version that ended a process that loaded it: it is not tried again until its files change."""


class Action(enum.Enum):
    """LOAD it, DROP it before it was loaded, RETIRE what answers, or WAIT."""

    LOAD = enum.auto()
    DROP = enum.auto()
    RETIRE = enum.auto()
    WAIT = enum.auto()


@dataclasses.dataclass(eq=False)
class Version:
    """One version and what becomes of it.

    Attributes:
      tries: loads that failed since it was last found new or changed.
      due: time.monotonic() of the next try.
      tried: fingerprint of the files that the last try read.
      changed: fingerprint at the last poll, to see that a copy has ended.
      loading: a try is under way (between tries the state is LOADING too).
    """

    number: int
    path: str
    aspired: bool = True
    state: State = State.START
    code: Code = Code.OK
    message: str = ""
    tries: int = 0
    due: float = 0.0
    tried: frozenset[Any] = frozenset()
    changed: frozenset[Any] = frozenset()
    loading: bool = False

    @property
    def failed(self) -> bool:
        return self.code is not Code.OK

    def status(self) -> VersionStatus:
        return VersionStatus(self.number, self.state, self.code, self.message)


class ConfiguredModel:
    """One configured model."""

    def __init__(self, config: Any) -> None:
        self.name: str = config.name
        self.config = config
        self.versions: dict[int, Version] = {}
        self.found: Mapping[int, str] = {}
        self.removed = False
        self.wake = asyncio.Event()
        self._said: dict[str, tuple[str, float]] = {}

    def in_state(self, *states: State) -> list[Version]:
        return [version for version in self.versions.values() if version.state in states]

    @property
    def settled(self) -> bool:
        """Whether something answers, or everything that was tried has failed for good."""
        if self.in_state(State.AVAILABLE):
            return True
        ended = [v for v in self.versions.values() if v.state is State.END and v.failed and v.aspired]
        return bool(ended) and not self.in_state(State.START, State.LOADING)

    def statuses(self) -> tuple[VersionStatus, ...]:
        """Newest first."""
        return tuple(version.status() for _, version in sorted(self.versions.items(), reverse=True))

    def say(self, topic: str, text: str, level: int = logging.WARNING) -> None:
        """Logs a condition when it appears, changes, and once a minute while it lasts."""
        last, when = self._said.get(topic, ("", 0.0))
        if text != last or time.monotonic() - when > REMIND_S:
            self._said[topic] = (text, time.monotonic())
            _log.log(level, "model %s: %s", self.name, text)

    def unsay(self, topic: str) -> None:
        self._said.pop(topic, None)

    def next_action(self) -> tuple[Action, Version | None, float | None]:
        """What to do next, by TensorFlow Serving's availability-preserving policy.

        Returns:
          What, with which version, or None and the seconds until a load is due
          (None if none is).
        """
        by_number = sorted(self.versions.values(), key=lambda version: version.number)
        wanted = [version for version in by_number if version.aspired]
        for version in by_number:
            if not version.aspired and version.state in (State.START, State.LOADING):
                return Action.DROP, version, None
        if not wanted or any(version.state is State.AVAILABLE for version in wanted):
            for version in by_number:
                if not version.aspired and version.state is State.AVAILABLE:
                    return Action.RETIRE, version, None
        now = time.monotonic()
        waiting = [version for version in wanted if version.state in (State.START, State.LOADING)]
        for version in reversed(waiting):
            if version.due <= now:
                return Action.LOAD, version, None
        return Action.WAIT, None, min((version.due - now for version in waiting), default=None)
