"""A compiled spec from a file, refused unless it is sound."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.kubeflow.documents import Documents, read_all
from pipeline.kubeflow.lint import problems


def read(file: Path) -> Documents:
    """The documents of `file`.

    Raises:
      InputError: it cannot be read, or the lint finds something.
    """
    documents = read_all(file)
    found = problems(documents)
    if found:
        raise InputError(f"{file} is not sound:\n" + "\n".join(found))
    return Documents(documents[0], documents[1] if len(documents) > 1 else {})
