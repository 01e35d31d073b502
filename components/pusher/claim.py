"""A version number that nobody else can get.

A claim is an entry `<destination>/.claims/<number>` that lives as long as the
push. Local file systems create it exclusively. Object stores have no such
operation behind TFX's interface, so each claimant writes a token of its own and
then lists the tokens: whoever sees another one withdraws and takes a later
number. Listing after writing is consistent on S3 and Cloud Storage, so of two
claimants at least one sees the other.
"""

from __future__ import annotations

import dataclasses
import random
import uuid
from typing import Final

from components.common import storage
from components.pusher import versions

CLAIMS: Final = ".claims"
# A claim not touched for this long belongs to a run that was killed. Seconds.
ABANDONED_AFTER: Final = 3600.0


@dataclasses.dataclass(frozen=True)
class Claim:
    """Right to publish version `number`; `path` is the file that says so."""

    number: int
    path: str

    def keep(self) -> None:
        """Says that the run is alive.

        Raises:
          RuntimeError: the claim was taken away.
        """
        try:
            storage.touch(self.path)
        except FileNotFoundError:
            raise RuntimeError(
                f"The claim on version {self.number} was removed while it was being pushed: this run "
                f"was silent for more than {ABANDONED_AFTER:.0f} s and another one cleaned up. Run again."
            ) from None

    def release(self) -> None:
        storage.remove_file(self.path)


def acquire(destination: str, now: float) -> Claim:
    """Claims the first free number from `now` (Unix seconds) on, above every existing version."""
    taken = [number for model in versions.ORDER for number in versions.numbers(destination, model)]
    number = max([int(now), *(existing + 1 for existing in taken)])
    try_claim = _claim_local if storage.is_local(destination) else _claim_remote
    while True:
        claim = try_claim(destination, number)
        if claim is not None:
            if not any(storage.exists(versions.folder(destination, m, number)) for m in versions.ORDER):
                return claim
            # Somebody published it and let go between our listing and our claim.
            claim.release()
        number += 1 if storage.is_local(destination) else random.randint(1, 8)


def abandoned(destination: str, now: float) -> list[Claim]:
    """Claims of runs that were killed."""
    root = storage.join(destination, CLAIMS)
    claims = []
    for name in storage.list_names(root):
        number = name.partition(".")[0]
        if number.isascii() and number.isdigit():
            claim = Claim(int(number), storage.join(root, name))
            if storage.seconds_since_change(claim.path, now) > ABANDONED_AFTER:
                claims.append(claim)
    return claims


def is_claimed(destination: str, number: str) -> bool:
    """Whether any run holds `number`, given in digits."""
    names = storage.list_names(storage.join(destination, CLAIMS))
    return any(name.partition(".")[0] == number for name in names)


def _claim_local(destination: str, number: int) -> Claim | None:
    path = storage.join(destination, CLAIMS, str(number))
    return Claim(number, path) if storage.create_exclusive(path) else None


def _claim_remote(destination: str, number: int) -> Claim | None:
    root = storage.join(destination, CLAIMS)
    mine = f"{number}.{uuid.uuid4().hex}"
    claim = Claim(number, storage.join(root, mine))
    storage.write_text(claim.path, "")
    rivals = [name for name in storage.list_names(root) if name.partition(".")[0] == str(number)]
    if rivals == [mine]:
        return claim
    claim.release()
    return None
