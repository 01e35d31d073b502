"""TensorFlow's runtime without its Python front.

`import tensorflow` runs 5 seconds of CPU to import Keras, tf.data, distribution
strategies and 270 MiB of what a server never calls. The session, the readers
and the protocol messages live in submodules that need none of it: they import
in under a second where the package's `__init__` does not run.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import types


def install() -> None:
    """Makes `import tensorflow.x.y` import that module alone, from here on in this process.

    For a process that does nothing but serve; `tensorflow` itself then has no
    attributes but the submodules that were imported. Does nothing if the whole
    of TensorFlow is imported already.
    """
    if "tensorflow" in sys.modules:
        return
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(
            "the model server runs on TensorFlow, which is not installed; install the `server` extra"
        )
    package = types.ModuleType("tensorflow")
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = importlib.machinery.ModuleSpec("tensorflow", None, is_package=True)
    package.__spec__.submodule_search_locations = package.__path__
    sys.modules["tensorflow"] = package
