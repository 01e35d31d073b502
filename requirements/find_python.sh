#!/usr/bin/env bash
# Print the path of a Python 3.11 that can make a virtual environment: one that is
# there ($PYTHON, python3.11, python3, python), else one that uv downloads. uv itself
# is the one on PATH, or comes by the pip of another Python at the pinned version.
# What is done is said on stderr; without a Python 3.11 in the end, exit code 2.
set -euo pipefail
cd "$(dirname "$0")/.."
export UV_NO_CONFIG=1 PIP_ROOT_USER_ACTION=ignore
unset VIRTUAL_ENV

is_python_311() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

installed_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if is_python_311 "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# Print the path of a uv: on PATH, else installed into the folder $1 by any Python that has pip.
find_uv() {
  local candidate
  command -v uv && return
  for candidate in "${PYTHON:-}" python3 python; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
    if "$candidate" -m pip --no-input install --quiet --disable-pip-version-check --retries 1 --no-deps \
      --require-hashes --target "$1" -r requirements/uv.txt >&2 && [ -x "$1/bin/uv" ]; then
      echo "$1/bin/uv"
      return
    fi
  done
  return 1
}

downloaded_python() {
  local folder uv python
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' RETURN
  uv=$(find_uv "$folder") || return 1
  echo "set-up: no Python 3.11 with the venv module here; uv gets one (uv python install 3.11)" >&2
  # Nothing is put on the caller's PATH. A variable, because an older uv has no flag for it.
  UV_PYTHON_INSTALL_BIN=0 "$uv" python install 3.11 >&2 || return 1
  python=$("$uv" python find --no-project --managed-python 3.11) || return 1
  is_python_311 "$python" && echo "$python"
}

installed_python || downloaded_python || {
  cat >&2 <<'TEXT'
error: no Python 3.11 with the venv module was found (looked for $PYTHON, python3.11, python3, python).
  Debian 12:            apt-get install python3.11-venv
  Ubuntu (deadsnakes):  apt-get install python3.11 python3.11-venv
  Fedora, RHEL:         dnf install python3.11
  anywhere:             uv python install 3.11, or pyenv install 3.11
then call make again, or name it: make run PYTHON=/path/to/python3.11
TEXT
  exit 2
}
