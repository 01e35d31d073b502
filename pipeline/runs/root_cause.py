"""The one or two lines of an exception that say what is wrong."""

from __future__ import annotations

import re

_OWN_PACKAGES = ("components.", "pipeline.")
_FOREIGN_LINES = 2
_OWN_LINES = 20
# Apache Beam appends the step to the message of what a step raised.
_BEAM_STEP = re.compile(r"\s*\[while running '[^']*'\]")
# Lines of TensorFlow's messages that stand before the one that matters.
_NOISE = re.compile(r"^\s*(Graph execution error|Detected at node|<stack traces|File \"|\(\d+\) )")
_EXCEPTION_LINE = re.compile(r"^(?P<type>[\w.]+(?:Error|Exception|Exit|Interrupt)): ?(?P<text>.*)", re.DOTALL)


def root_cause(error: BaseException) -> str:
    """Text for the user.

    An error of the project's own is written for the user and comes whole. Of
    any other, the type and the first lines. A worker process of Beam sends
    its error as the text of a traceback: then what follows the last frame.
    """
    text = _BEAM_STEP.sub("", str(error)).strip()
    if "Traceback (most recent call last)" in text:
        return _after_last_frame(text)
    if type(error).__module__.startswith(_OWN_PACKAGES):
        return _head(text or type(error).__name__, _OWN_LINES)
    name = type(error).__name__
    return f"{name}: {head}" if (head := _head(text, _FOREIGN_LINES)) else name


def is_bad_data(error: BaseException | None) -> bool:
    """Whether the data that was given is to blame: it breaks a rule of the reader or its schema."""
    # Imported when something has failed: the second one brings TensorFlow.
    from components.data_check.anomalies import DataCheckError
    from components.example_gen.errors import DataError

    while error is not None:
        if isinstance(error, DataError | DataCheckError):
            return True
        error = error.__cause__
    return False


def _after_last_frame(text: str) -> str:
    """Lines from the last unindented `SomeError: ...` on."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if _EXCEPTION_LINE.match(line)]
    tail = "\n".join(lines[starts[-1] :] if starts else lines[-1:])
    match = _EXCEPTION_LINE.match(tail)
    if match and match["type"].startswith(_OWN_PACKAGES):
        return _head(match["text"], _OWN_LINES)
    return _head(tail, _FOREIGN_LINES)


def _head(text: str, lines: int) -> str:
    kept = [line for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    more = len(kept) - lines
    return "\n".join(kept[:lines] + ([f"... {more} more lines in the log"] if more > 0 else []))
