#!/usr/bin/env bash
# Print the package index that pip was told to use in place of the public one, by variable or by
# pip.conf; nothing if none. Companies tell pip of their mirror, and uv reads names of its own.
#   mirror.sh PYTHON
set -euo pipefail
echo "${PIP_INDEX_URL:-$("$1" -m pip config get global.index-url 2>/dev/null || true)}"
