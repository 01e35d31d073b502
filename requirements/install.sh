#!/usr/bin/env bash
# Create .venv and install exactly one of the hashed locks: install.sh EXTRA
# (server, app, pipeline or dev). A second call with nothing changed does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:?usage: requirements/install.sh server|app|pipeline|dev}
lock=requirements/$extra.txt
[ -f "$lock" ] || { echo "error: no lock $lock; expected one of: $(ls requirements/*.txt | xargs -n1 basename | tr '\n' ' ')" >&2; exit 2; }

stamp=.venv/.installed
digest() {
  cat "requirements/$1.txt" pyproject.toml requirements/install.sh requirements/mirror.sh requirements/uv.txt \
    requirements/tfx_bsl_sql_util/pyproject.toml requirements/tfx_bsl_sql_util/tfx_bsl/arrow/sql_util.py |
    sha256sum | cut -d' ' -f1
}
# dev holds everything that pipeline does, at the same versions.
grep -qsx "$extra $(digest "$extra")" "$stamp" && exit 0

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  echo "error: this is $(uname -s) on $(uname -m); the ScaNN and TFX wheels exist for Linux on x86_64 only. Use a Linux machine, WSL 2 or a container." >&2
  exit 2
fi
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$libc" ] || [ "$(printf '%s\n' 2.28 "$libc" | sort -V | head -n1)" != 2.28 ]; then
  echo "error: the C library is ${libc:-not glibc}; the wheels need glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8 or later)." >&2
  exit 2
fi

if ! [ -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  python=$(requirements/find_python.sh)
  echo "set-up: creating .venv with $python"
  rm -rf .venv
  "$python" -m venv .venv
fi

mirror=$(requirements/mirror.sh .venv/bin/python)
[ -n "$mirror" ] && export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$mirror}"
export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} UV_LINK_MODE=${UV_LINK_MODE:-copy} UV_NO_CONFIG=1 VIRTUAL_ENV="$PWD/.venv"
echo "set-up: installing $(grep -c '==' "$lock") pinned packages from $lock (about 3 GB, some minutes the first time)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/uv.txt
.venv/bin/uv pip install --quiet --no-deps --require-hashes --compile-bytecode -r "$lock"
if [ "$extra" = pipeline ] || [ "$extra" = dev ]; then
  .venv/bin/uv pip install --quiet --no-deps --no-build-isolation ./requirements/tfx_bsl_sql_util
  .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
fi
rm -rf requirements/tfx_bsl_sql_util/build requirements/tfx_bsl_sql_util/*.egg-info

rm -f "$stamp"
for installed in "$extra" $([ "$extra" = dev ] && echo pipeline); do
  echo "$installed $(digest "$installed")" >> "$stamp"
done
