"""The one error of this room: input data that cannot be used."""

from __future__ import annotations


class DataError(ValueError):
    """Input that breaks a rule; says where, what came and what was expected.

    Attributes:
      file: name of the file, without its folder.
      reason: what came, what was expected, and what to do.
      line: 1-based line in the file, or None where no single line is to blame.
    """

    def __init__(self, file: str, reason: str, line: int | None = None):
        self.file = file
        self.reason = reason
        self.line = line
        where = file if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {reason}")
