"""Version after version published under a server that real clients go on asking."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support.servers.model_servers import Server, wait_until

from serving.client import Client, Retry, ServingError

# Nothing may fail, so nothing is asked twice.
ONCE = Retry(attempts=1)


@dataclasses.dataclass
class Load:
    """What the clients have seen.

    Attributes:
      answers: number of right answers by version.
      wrong: what was wrong: a failed request, or an answer of a version that was not live.
    """

    answers: dict[int, int] = dataclasses.field(default_factory=dict)
    wrong: list[str] = dataclasses.field(default_factory=list)


class Swapper:
    """Publishes versions and knows which may answer.

    Args:
      server: serves the newest version of `model` from `base`.
      model: its name.
      base: folder of its versions.
    """

    def __init__(self, server: Server, model: str, base: Path) -> None:
        self._server = server
        self._model = model
        self._base = base
        self.oldest = self.newest = max(int(path.name) for path in base.iterdir())

    def swap(self, source: Path, version: int) -> None:
        """Returns when `version` alone is served."""
        # Seen by the server only once it is whole, as the pusher publishes.
        staged = self._base.parent / f".{self._model}-{version}"
        shutil.copytree(source, staged)
        self.newest = version
        staged.rename(self._base / str(version))
        with Client(self._server.grpc, model=self._model) as client:

            def done() -> bool:
                states = {item.version: item.state for item in client.status()}
                return states.get(version) == "AVAILABLE" and states.get(self.oldest, "END") == "END"

            wait_until(done, 120, lambda: f"{client.status()} {self._server.output[-2000:]}")
        shutil.rmtree(self._base / str(self.oldest))
        self.oldest = version

    @contextlib.contextmanager
    def under_load(self, ask: Callable[[Client], int], clients: int) -> Iterator[Load]:
        """Clients of both protocols ask all the time; stops them when the block ends.

        Args:
          ask: asks once and returns the version that the content of the answer
            is of. Raises AssertionError for an answer of no version.
          clients: threads per protocol.
        """
        load, stop, lock = Load(), threading.Event(), threading.Lock()

        def run(address: str) -> None:
            with Client(address, model=self._model, retry=ONCE, timeout_s=60) as client:
                while not stop.is_set():
                    oldest = self.oldest
                    try:
                        version = ask(client)
                        wrong = "" if oldest <= version <= self.newest else f"{version} is not live"
                    except (ServingError, AssertionError) as error:
                        version, wrong = 0, str(error)
                    with lock:
                        if wrong:
                            load.wrong.append(f"{address} {oldest}..{self.newest}: {wrong}")
                        else:
                            load.answers[version] = load.answers.get(version, 0) + 1

        addresses = [self._server.grpc, f"http://{self._server.rest}"] * clients
        threads = [threading.Thread(target=run, args=(address,)) for address in addresses]
        for thread in threads:
            thread.start()
        try:
            yield load
            # The last version too is asked for a while.
            before = load.answers.get(self.newest, 0)
            end = time.monotonic() + 30
            while load.answers.get(self.newest, 0) < before + 10 and not load.wrong:
                assert time.monotonic() < end, "the clients no longer get answers"
                time.sleep(0.05)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def half_plus_version(client: Client) -> int:
    """The version of `conformance_models.half_plus` that answers, by what it says: y = x/2 + version."""
    answer = client.predict("serving_default", {"x": [0.0, 2.0]})
    [outputs] = answer.outputs.values()  # over REST a single output has no name
    first, second = outputs.tolist()
    assert second == first + 1.0
    assert answer.version in (None, first), (answer.version, first)
    return int(first)
