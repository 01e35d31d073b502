#!/usr/bin/env bash
# Print the package index that pip was told to use in place of the public one, by variable or by
# pip.conf; nothing if none. Companies tell pip of their mirror, and uv reads names of its own.
#   mirror.sh PYTHON
set -euo pipefail
# `pip config get` does not see a file named by PIP_CONFIG_FILE; the list does.
in_file() { "$1" -m pip config list 2>/dev/null | sed -n "s/^global\.index-url='\(.*\)'$/\1/p"; }
echo "${PIP_INDEX_URL:-$(in_file "$1")}"
