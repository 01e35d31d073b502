"""TensorFlow Serving's rules for a ModelServerConfig, with its texts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from tensorflow_serving.config import model_server_config_pb2

from serving.model_server.process.options import PLATFORM
from serving.model_server.versions import version_folders
from serving.protocol.errors import Code, StatusError


def check_config(new: Any, old: Any, allowed_paths: Sequence[str] = ()) -> None:
    """Whether a config may replace another.

    Args:
      new, old: ModelServerConfig; `old` is empty at the start.
      allowed_paths: see `check_paths`.

    Raises:
      StatusError: it may not, and why.
    """
    if new.WhichOneof("config") != "model_config_list":
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported",
        )
    platforms = {model.name: _platform(model) for model in old.model_config_list.config}
    names = set()
    for model in new.model_config_list.config:
        if model.name in names:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"Illegal to list model {model.name} multiple times in config list"
            )
        names.add(model.name)
        if not version_folders.is_remote(model.base_path) and not model.base_path.startswith("/"):
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Expected model {model.name} to have an absolute path or URI; "
                f"got base_path()={model.base_path}",
            )
        check_paths(model, allowed_paths)
        platform = _platform(model)
        if platforms.get(model.name, platform) != platform:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"Illegal to change a model's platform. For model {model.name} platform was "
                f"{platforms[model.name]} and new platform requested is {platform}",
            )
        if platform != PLATFORM:
            raise StatusError(
                Code.INVALID_ARGUMENT, f"Model {model.name} requests unsupported platform {platform}"
            )


def check_paths(model: Any, allowed: Sequence[str]) -> None:
    """Whether what a model's config reads and writes lies where the operator allows it.

    A SavedModel is code: whoever chooses the folder it is loaded from runs code in the server.

    Args:
      model: ModelConfig.
      allowed: folders or URLs; empty for any.

    Raises:
      StatusError: PERMISSION_DENIED.
    """
    prefix = model.logging_config.log_collector_config.filename_prefix
    for noun, path in (("base_path", model.base_path), ("filename_prefix", prefix)):
        if path and allowed and not any(_is_below(path, root) for root in allowed):
            raise StatusError(
                Code.PERMISSION_DENIED,
                f"Model {model.name}: {noun} {path} is in none of the folders of --allowed_paths: "
                f"{', '.join(allowed)}",
            )


def _is_below(path: str, root: str) -> bool:
    if version_folders.is_remote(path) != version_folders.is_remote(root):
        return False
    if version_folders.is_remote(path):
        if ".." in path.split("/"):
            return False
    else:
        # Where links lead to, and not what they are called.
        path, root = os.path.realpath(path), os.path.realpath(root)
    root = root.rstrip("/")
    return path == root or path.startswith(f"{root}/")


def _platform(model: Any) -> str:
    if model.model_type:
        if model.model_platform:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                "Illegal setting both ModelServerConfig::model_type (deprecated) "
                "and ModelServerConfig::model_platform.",
            )
        if model.model_type != model_server_config_pb2.TENSORFLOW:
            raise StatusError(
                Code.INVALID_ARGUMENT,
                f"ModelServerConfig::model_type choice {model.model_type} not supported.",
            )
        return PLATFORM
    if not model.model_platform:
        raise StatusError(
            Code.INVALID_ARGUMENT,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform.",
        )
    return str(model.model_platform)
