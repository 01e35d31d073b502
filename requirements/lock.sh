#!/usr/bin/env bash
# Write the hashed locks from pyproject.toml (make lock). dev holds everything,
# so it is resolved first and constrains the others: shared versions agree.
# Hashes, no index address; `requirements/lock.sh --upgrade` takes newer releases.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || { echo "error: $uv is missing; run make setup first." >&2; exit 2; }
compile() {
  "$uv" pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 "$@" >/dev/null
}
compile pyproject.toml --extra dev "$@" --output-file requirements/dev.txt
for extra in pipeline server app; do
  compile pyproject.toml --extra "$extra" --constraint requirements/dev.txt --output-file "requirements/$extra.txt"
done
echo 'uv==0.13.9' | compile - --output-file requirements/uv.txt

versions() { grep -oE '^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+' "$1" | sort; }
for extra in pipeline server app; do
  stray=$(comm -23 <(versions "requirements/$extra.txt") <(versions requirements/dev.txt))
  [ -z "$stray" ] || { printf 'error: requirements/%s.txt and dev.txt disagree on:\n%s\n' "$extra" "$stray" >&2; exit 1; }
done
if grep -nE '://|--(extra-)?index-url|--find-links' requirements/*.txt; then
  echo "error: a lock names an address (above)." >&2; exit 1
fi
wc -l requirements/*.txt
